-- A line of the bank that names no order lies in suspense, and its case says which line that is: the
-- case of an order's wrong reference too. How the money left suspense is kept once for each line, so
-- that it leaves once whoever books it.
alter table clearing.reconciliation_case
    add column entry_ref text references clearing.bank_line;

update clearing.reconciliation_case c set entry_ref = l.entry_ref
from clearing.bank_line l
where c.kind = 'missing_here' and c.ours_fen is null and l.entry_ref = c.about
  and l.order_id is null and l.amount_fen <> 0;
-- Of several lines that would do, one: the others have cases of their own.
update clearing.reconciliation_case c set entry_ref = (
    select min(l.entry_ref)
    from clearing.payment_order o
    join clearing.bank_line l on l.order_id is null and btrim(l.remittance) = o.reference
    where o.order_id::text = c.about and l.amount_fen = c.bank_fen
      and not exists (
          select from clearing.reconciliation_case other
          where other.kind = 'missing_here' and other.entry_ref = l.entry_ref))
where c.kind = 'wrong_reference';

-- What became of a line's money in suspense. Never changed.
create table clearing.bank_line_end (
    entry_ref text        not null primary key references clearing.bank_line,
    case_id   uuid        not null references clearing.reconciliation_case,
    -- `heard`: it is one more line of the order; `funds`: booked by hand for an order of funds the bank
    -- did not do; `written_off`.
    manner    text        not null check (manner in ('heard', 'funds', 'written_off')),
    order_id  uuid,
    ended_at  timestamptz not null,
    constraint bank_line_end_names_its_order check ((order_id is null) = (manner = 'written_off'))
);
create index bank_line_end_of_order on clearing.bank_line_end (order_id) where manner = 'heard';

insert into clearing.bank_line_end (entry_ref, case_id, manner, order_id, ended_at)
select c.entry_ref, c.case_id,
       case s.action when 'correct' then 'funds' else 'written_off' end,
       case s.action when 'correct' then substring(s.why from 'booked for order (.{36})$')::uuid end,
       s.done_at
from clearing.reconciliation_case c
join clearing.reconciliation_step s using (case_id)
where c.kind = 'missing_here' and c.entry_ref is not null
  and (s.action = 'write_off'
       or s.action = 'correct' and s.why ~ '^booked for order [0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
on conflict (entry_ref) do nothing;

alter table clearing.bank_line_end enable row level security;
create policy bank_line_end_of_case on clearing.bank_line_end using ((select clearing.is_house()) or exists (
    select from clearing.reconciliation_case c where c.case_id = bank_line_end.case_id));

grant select, insert on clearing.bank_line_end to commonwheel_app;
