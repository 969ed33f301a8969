-- Advances (垫付) by who bears them: the platform, the rescue fund out of its own money, or, of a self-service
-- advance, the liable insurer from the moment it is ordered.

-- One advance, named by its pay-out. Never changed; what was paid and recovered is in the orders.
create table clearing.advance (
    advance_id     uuid        not null primary key references clearing.payment_order (order_id),
    origin         text        not null check (origin in ('platform', 'fund', 'self_service')),
    -- Who ordered it, and whose it is to see it recovered.
    payer          uuid        not null,
    -- Of a self-service advance: the policy it is booked against.
    liable_tenant  uuid,
    liable_insurer text        check (length(liable_insurer) = 4),
    liable_policy  text        check (length(liable_policy) = 30),
    accident_at    timestamptz,
    notice_no      text        check (length(notice_no) between 1 and 40), -- 抢救费用垫付通知书 of the police
    advanced_at    timestamptz not null,
    constraint advance_is_booked_whole check (
        num_nonnulls(liable_tenant, liable_insurer, liable_policy, accident_at, notice_no)
            = case origin when 'self_service' then 5 else 0 end)
);
create index advance_of_payer on clearing.advance (payer, advanced_at, advance_id);
create index advance_of_liable on clearing.advance (liable_tenant, advanced_at, advance_id)
    where liable_tenant is not null;
create index advance_of_policy on clearing.advance (liable_policy) where liable_policy is not null;

insert into clearing.advance (advance_id, origin, payer, advanced_at)
select order_id, 'platform', participant, ordered_at from clearing.payment_order
where purpose = 'advance' and direction = 'pay_out';

alter table clearing.advance enable row level security;
create policy advance_of_either_side on clearing.advance using (
    (select clearing.is_house())
    or payer = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[])
    or liable_tenant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
grant select, insert on clearing.advance to commonwheel_app;
