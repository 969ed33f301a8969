-- A refund may be what an endorsement gives back: then the endorsement says how much, and learns of it.
alter table clearing.payment_order
    add column amend_code text check (length(amend_code) = 30),
    add constraint payment_order_gives_back_with_refunds
        check (amend_code is null or purpose = 'refund');
create index payment_order_of_endorsement on clearing.payment_order (amend_code, ordered_at, order_id)
    where amend_code is not null;
