"""Work orders (预投诉工单): which alarm becomes which order, with what evidence, due when."""
