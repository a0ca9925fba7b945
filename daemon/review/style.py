"""How the page looks: on a screen, on a telephone, on A4."""

STYLE = """
:root{color-scheme:light}
*{box-sizing:border-box}
body{font:15px/1.55 -apple-system,"Segoe UI","PingFang SC","Noto Sans CJK SC","Noto Sans SC","Microsoft YaHei",
"WenQuanYi Micro Hei",sans-serif;color:#1f2933;background:#f5f7fa;margin:0}
main{max-width:1080px;margin:0 auto;padding:24px 16px 48px}
header p{margin:2px 0 0;color:#616e7c;font-size:13px}
h1{font-size:24px;line-height:1.3;margin:0}
h2{font-size:18px;margin:34px 0 10px;padding-bottom:5px;border-bottom:2px solid #cbd2d9}
h3{font-size:15px;margin:20px 0 6px;color:#323f4b}
.remark{background:#fff7e0;border:1px solid #f0c36d;border-radius:6px;padding:7px 12px;margin:12px 0 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:18px 0 12px}
.tiles div{background:#fff;border:1px solid #e4e7eb;border-radius:8px;padding:10px 14px}
.tiles b{display:block;font-size:26px;line-height:1.25}
.tiles span{color:#3e4c59;font-size:13px}.tiles small{color:#616e7c;margin-left:6px;font-size:12px}
.lead{font-size:16px;margin:0}
ol{margin:0;padding-left:1.6em}li{margin:5px 0}
pre{margin:4px 0 8px;padding:8px 10px;background:#eef1f4;border-radius:6px;font-size:12px;white-space:pre-wrap;
overflow-wrap:anywhere}
code{font-size:12px;white-space:normal;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:12px;margin-top:28px}
figure{margin:0;background:#fff;border:1px solid #e4e7eb;border-radius:8px;padding:10px 12px;break-inside:avoid}
figcaption{font-weight:600;font-size:14px;margin-bottom:6px}
svg{display:block;width:100%;height:auto}
svg text{font-family:inherit;fill:#3e4c59}
.scroll{overflow-x:auto;background:#fff;border:1px solid #e4e7eb;border-radius:8px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid #eef1f4;vertical-align:top}
th{color:#52606d;font-weight:600;background:#fafbfc;white-space:nowrap}
tr:last-child td{border-bottom:0}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.s{white-space:nowrap}
.zero{color:#9aa5b1}
.note,.none{color:#616e7c;font-size:12.5px;margin:5px 2px 0}
footer{margin-top:36px;color:#616e7c;font-size:12.5px}
@media (max-width:600px){main{padding:16px 10px 32px}h1{font-size:20px}.tiles b{font-size:22px}
td{min-width:6em}td.n,td.s{min-width:0}}
@page{size:A4;margin:14mm 12mm}
@media print{
body{background:#fff;font-size:10pt}main{max-width:none;padding:0}
.scroll{overflow:visible;border-radius:0}
table{font-size:8.2pt}th,td{padding:3px 5px}th{white-space:normal}.n{white-space:normal}
h2{break-after:avoid;margin-top:18px}h3{break-after:avoid}tr,figure,.tiles div,li{break-inside:avoid}
thead{display:table-header-group}.charts{grid-template-columns:1fr 1fr;gap:8px}
.tiles{grid-template-columns:repeat(6,1fr);gap:6px}.tiles div{padding:6px 8px}.tiles b{font-size:16pt}
.tiles small{display:block;margin:0}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""
