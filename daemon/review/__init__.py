"""The monthly review (月度复盘): what a month of orders, alarms and complaints comes to; rows in, tables out."""
