"""The pages' colours and clockwork; both stand in the page, for nothing else is loaded."""

STYLE = """
*{box-sizing:border-box}body{margin:0;background:#f3f4f6;color:#1f2937;
font:16px/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC","WenQuanYi Zen Hei",sans-serif}
a{color:#1d4ed8}:focus-visible{outline:3px solid #1d4ed8;outline-offset:2px}
header,main,footer{max-width:90rem;margin:0 auto;padding:.75rem 1rem}.narrow{max-width:44rem}
header{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:center;gap:.5rem 1rem}
h1,header .brand{font-size:1.25rem;font-weight:700;color:#1f2937;margin:0}
header p{margin:0;color:#4b5563;font-size:.875rem}
nav{display:flex;flex-wrap:wrap;gap:.5rem}nav a,.small{padding:.375rem .75rem;border:1px solid #d1d5db;
border-radius:.5rem;background:#fff;text-decoration:none;white-space:nowrap;font-size:.875rem}
.alarm{background:#fef2f2;border:1px solid #b91c1c;color:#991b1b;border-radius:.5rem;padding:.5rem .75rem;
margin:0 0 .75rem;font-size:.9375rem}.alarm a{color:#991b1b;font-weight:600;margin-left:.5rem;white-space:nowrap}
.filters{display:flex;flex-wrap:wrap;gap:.5rem .75rem;align-items:end;margin:0 0 .75rem}
.filters label{font-size:.8125rem;color:#4b5563}.filters select{display:block;min-width:7rem}
.board{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:.75rem;align-items:start}
.column{background:#e5e7eb;border-radius:.625rem;padding:.5rem}
.column h2{display:flex;justify-content:space-between;font-size:.9375rem;margin:.125rem .25rem .5rem;color:#374151}
.column h2 span{color:#4b5563;font-weight:400}.none{color:#4b5563;font-size:.875rem;margin:.25rem}
.card,.sheet{background:#fff;border-left:.375rem solid #6b7280;border-radius:.5rem;padding:.625rem .75rem;
box-shadow:0 1px 2px #0002;overflow-wrap:anywhere}.card+.card{margin-top:.5rem}
.sheet{padding:.875rem 1rem;border-left-width:0}
.sheet.levelI,.sheet.levelII,.sheet.levelIII{border-left-width:.375rem}
.levelI{border-left-color:#b91c1c}.levelII{border-left-color:#b45309}.levelIII{border-left-color:#1d4ed8}
.late-card{box-shadow:0 0 0 2px #b91c1c;background:#fef2f2}
.closed{border-left-color:#9ca3af}.closed h3 a{color:#374151}
.top{display:flex;flex-wrap:wrap;gap:.25rem .375rem;align-items:center;font-size:.8125rem}
.badge{color:#fff;background:#6b7280;border-radius:.25rem;padding:.0625rem .375rem;font-weight:600;white-space:nowrap}
.levelI .badge{background:#b91c1c}.levelII .badge{background:#b45309}.levelIII .badge{background:#1d4ed8}
.closed .badge{background:#6b7280}
.chip{border:1px solid #d1d5db;border-radius:.25rem;padding:0 .375rem;white-space:nowrap;background:#fff}
.chip.again{border-color:#b91c1c;color:#b91c1c}
.due{font-variant-numeric:tabular-nums;font-weight:600;white-space:nowrap;font-size:.875rem;color:#374151}
.over{color:#b91c1c}h3{font-size:.9375rem;line-height:1.4;margin:.25rem 0 .125rem}h3 a{text-decoration:none}
h3 a:hover{text-decoration:underline}.place{margin:0;color:#4b5563;font-size:.8125rem}
.order{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:.75rem;align-items:start}
.order .sheet,.order{margin-top:.75rem}.order>div>.sheet:first-child,.acts.sheet{margin-top:0}
.sheet h2{font-size:1rem;margin:0 0 .5rem}.sheet h1{font-size:1.1875rem;line-height:1.4;margin:.375rem 0 .125rem}
code{font-size:.8125rem}i{color:#b45309;font-style:normal;font-weight:400}
.evidence{list-style:none;margin:.25rem 0;padding:0;font-size:.875rem}
.evidence li{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1rem;padding:.375rem 0;
border-bottom:1px solid #e5e7eb}.evidence small{flex-basis:100%;color:#4b5563;font-size:.8125rem}
dl{margin:.5rem 0 0;font-size:.9375rem}dt{color:#4b5563;font-size:.8125rem}dd{margin:0 0 .375rem}
dd ol{margin:0;padding-left:1.5rem}.said{white-space:pre-wrap}
.timeline{list-style:none;margin:0;padding:0;font-size:.9375rem}
.timeline li{border-left:2px solid #d1d5db;margin-left:.375rem;padding:0 0 .75rem .875rem;position:relative}
.timeline li:last-child{padding-bottom:0}.timeline li::before{content:"";position:absolute;left:-.375rem;top:.4375rem;
width:.625rem;height:.625rem;border-radius:50%;background:#6b7280}
.timeline .good::before{background:#047857}.timeline .bad::before{background:#b91c1c}
.timeline time{display:block;color:#4b5563;font-size:.8125rem;font-variant-numeric:tabular-nums}
.timeline p{margin:.125rem 0 0;white-space:pre-wrap}
.photos{display:flex;flex-wrap:wrap;gap:.375rem;margin-top:.375rem}
.photos img{display:block;width:6rem;height:6rem;object-fit:cover;border-radius:.375rem;border:1px solid #d1d5db}
.chart{display:block;max-width:32rem;margin:.375rem 0}
.chart img{display:block;width:100%;height:auto;border:1px solid #d1d5db;border-radius:.375rem}
label{display:block;font-size:.875rem;color:#374151;margin-top:.5rem}
input,select,textarea{width:100%;font:inherit;color:inherit;background:#fff;padding:.4375rem .625rem;
border:1px solid #9ca3af;border-radius:.5rem;min-height:2.75rem}
.filters select{width:auto;min-height:2.25rem;padding:.25rem .5rem}
details{margin-top:.5rem}summary{cursor:pointer;padding:.375rem 0;font-size:.875rem;color:#1d4ed8}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 .75rem}
.buttons{display:flex;flex-wrap:wrap;gap:.5rem;margin-top:.75rem}
button{flex:1 1 6rem;min-height:2.75rem;font:inherit;white-space:nowrap;border:1px solid #9ca3af;border-radius:.5rem;
background:#fff;color:#1f2937;cursor:pointer}.card button{min-height:2.25rem;margin-top:.5rem;width:100%}
.filters button{flex:none;min-height:2.25rem;padding:0 .75rem}
button.accept,button.finish,button.confirm,button.send{background:#1d4ed8;border-color:#1d4ed8;color:#fff}
button.reject,button.reopen{color:#b91c1c;border-color:#b91c1c}
.hint,footer,.fine{color:#4b5563;font-size:.8125rem}.fine{margin:.5rem 0 0}
@media(scripting:enabled){.filters button{display:none}}
@media(max-width:60rem){.board{grid-template-columns:1fr}.order{display:flex;flex-direction:column;align-items:stretch}
.order .acts{order:-1}.filters label{flex:1 1 5rem;min-width:0}.filters select{width:100%;min-width:0}
.column.empty{padding:.25rem .5rem}.column.empty .none{display:none}.column.empty h2{margin:.125rem .25rem}}
"""

# Clocks run each second. The page loads itself anew each 10 s until somebody has begun to write or to read on; who
# writes is remembered in the browser.
SCRIPT = """
const show=s=>{const a=Math.abs(s),p=n=>String(n).padStart(2,'0'),h=Math.floor(a/3600);
if(a>=86400)return document.body.dataset.days
.replace('{d}',Math.floor(a/86400)).replace('{h}',Math.floor(a%86400/3600));
return (h?h+':'+p(Math.floor(a%3600/60)):Math.floor(a/60))+':'+p(a%60)};
const tick=()=>document.querySelectorAll('[data-due]').forEach(e=>{const s=Math.trunc((e.dataset.due-Date.now())/1000);
e.classList.toggle('over',s<0);e.closest('.card')?.classList.toggle('late-card',s<0);
e.textContent=(s<0?e.dataset.over:e.dataset.left).replace('{}',show(s))});
tick();setInterval(tick,1000);
let busy=false;addEventListener('input',()=>busy=true);addEventListener('toggle',()=>busy=true,true);
document.querySelectorAll('.filters select').forEach(e=>e.addEventListener('change',()=>e.form.submit()));
document.querySelectorAll('input[name=by]').forEach(e=>{e.value=localStorage.getItem('by')||'';
e.addEventListener('change',()=>localStorage.setItem('by',e.value))});
if(document.body.dataset.live)setInterval(()=>{if(!busy&&!document.activeElement?.matches('input,select,textarea'))
location.reload()},10000);
"""
