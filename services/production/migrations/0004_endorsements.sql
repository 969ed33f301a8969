-- Endorsements, surrenders and revocations: one row each, from the amend query to its end. What an
-- endorsement makes of its policy is a `policy_version`, written when it is confirmed. As with
-- proposals, the clock moves a row (`valid_until`) without anybody touching it.
create table production.endorsement (
    slot               integer     not null check (slot between 0 and 65535),
    amend_query_no     text        not null check (length(amend_query_no) = 30),
    tenant_id          uuid        not null,
    confirm_no         text        not null,
    kind               text        not null
        check (kind in ('01', '02', '03', '04', '05', '06', '07', '08', '09', '10')),
    endorse_times      integer     not null check (1 <= endorse_times),
    stage              text        not null
        check (stage in ('queried', 'pre_confirmed', 'paid', 'confirmed', 'cancelled')),
    reason             text        not null,
    surrender_reason   text,
    effective_at       timestamptz not null,
    premium_change_fen bigint      not null, -- negative is paid back
    tax_change_fen     bigint      not null,
    formula            json        not null,
    -- Premium of the whole period at the rates of this endorsement: what the next change, or a
    -- refund, is measured from. `premium_fen` is what the customer has paid in all.
    rated_premium_fen  bigint      not null check (0 <= rated_premium_fen),
    premium_fen        bigint      not null check (0 <= premium_fen),
    tax_fen            bigint      not null check (0 <= tax_fen),
    vehicle            json        not null, -- of the version it is to make
    input              json        not null,
    tariff_version     text        not null,
    parties_sealed     bytea       not null,
    queried_at         timestamptz not null,
    query_expires_at   timestamptz not null check (queried_at < query_expires_at),
    valid_until        timestamptz not null, -- of the stage it is in
    pre_confirmed_at   timestamptz,
    money_fen          bigint,               -- registered: received, or given back when negative
    money_reference    text,
    money_at           timestamptz,
    money_recorded_at  timestamptz,
    confirmed_at       timestamptz,
    amend_confirm_no   text        check (length(amend_confirm_no) = 30),
    endorsement_no     text,                 -- the insurer's own number (批单号)
    cancelled_at       timestamptz,
    cancelled_by       text        check (cancelled_by in ('caller', 'timeout')),
    primary key (slot, amend_query_no),
    foreign key (slot, confirm_no) references production.policy,
    constraint endorsement_surrender_has_a_reason
        check ((kind = '09') = (surrender_reason is not null)),
    constraint endorsement_money_is_whole
        check (num_nonnulls(money_fen, money_reference, money_at, money_recorded_at) in (0, 4)),
    constraint endorsement_money_is_the_difference
        check (money_fen is null or money_fen = premium_change_fen + tax_change_fen),
    -- 见费出单 holds for endorsements too: what is owed is registered before the confirmation.
    constraint endorsement_no_premium_no_confirm
        check (stage not in ('paid', 'confirmed') or premium_change_fen + tax_change_fen <= 0
               or money_at is not null),
    constraint endorsement_confirmed_is_whole
        check ((stage = 'confirmed') = (num_nonnulls(confirmed_at, amend_confirm_no) = 2)
               and num_nonnulls(confirmed_at, amend_confirm_no) in (0, 2)),
    constraint endorsement_cancelled_is_whole
        check ((stage = 'cancelled') = (num_nonnulls(cancelled_at, cancelled_by) = 2)
               and num_nonnulls(cancelled_at, cancelled_by) in (0, 2))
);
-- One open at a time (rule S12). A lapsed one is closed by the query that follows it.
create unique index endorsement_one_open on production.endorsement (slot, confirm_no)
    where stage in ('queried', 'pre_confirmed', 'paid');
-- In order and without gaps (rule S11); also lists the endorsements of a policy.
create unique index endorsement_order on production.endorsement (slot, confirm_no, endorse_times)
    where stage = 'confirmed';
create index endorsement_policy on production.endorsement (slot, confirm_no, queried_at);
create unique index endorsement_amend_confirm on production.endorsement (slot, amend_confirm_no)
    where amend_confirm_no is not null;

alter table production.endorsement enable row level security;
create policy own_tenant on production.endorsement
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

grant select, insert, update on production.endorsement to commonwheel_app;
