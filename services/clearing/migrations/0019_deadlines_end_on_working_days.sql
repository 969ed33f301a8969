-- Public holidays as they were listed when a cycle's statements were sent: its deadlines end on none
-- of them, and a list that changes later moves no deadline a participant was told.
alter table clearing.cycle
    add column rest_days date[] not null default '{}';
grant update (rest_days) on clearing.cycle to commonwheel_app;
