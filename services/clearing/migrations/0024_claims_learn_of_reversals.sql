-- A claim that learnt of its recovered money learns of what is taken back of it too, each reversal once.

-- What the claim is told came: decided before it is told, so that telling again after a crash says the
-- same, whatever was taken back meanwhile.
alter table clearing.recovery_item add column tells_fen bigint check (0 <= tells_fen);

-- Reversals a claim knows of: left out of what it was told came, or told by themselves.
create table clearing.recovery_reversal (
    reversal_id uuid        not null primary key references clearing.item,
    item_id     uuid        not null references clearing.recovery_item,
    told_at     timestamptz not null
);

-- Until now what was taken back before the claim was told was left out, and nothing was told later.
insert into clearing.recovery_reversal (reversal_id, item_id, told_at)
with recursive back as (
    select item_id as reversal_id, posted_at, reverses as item_id
    from clearing.item where reverses is not null
    union all
    select back.reversal_id, back.posted_at, item.again
    from back join clearing.item on item.item_id = back.item_id
    where item.again is not null
)
select back.reversal_id, told.item_id, told.told_at
from back join clearing.recovery_item told on told.item_id = back.item_id
where back.posted_at <= told.told_at;

alter table clearing.recovery_reversal enable row level security;
create policy recovery_reversal_of_house on clearing.recovery_reversal using ((select clearing.is_house()));
grant select, insert on clearing.recovery_reversal to commonwheel_app;
grant update (tells_fen) on clearing.recovery_item to commonwheel_app;
