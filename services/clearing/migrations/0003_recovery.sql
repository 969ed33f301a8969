-- 代位求偿: an insurer that paid its insured recovers from the insurers of the liable vehicles.

-- Numbers of 结算码. Few a second even in a nation, so a sequence is enough; it leaves gaps.
create sequence clearing.recovery_number maxvalue 999999999999;
grant usage on sequence clearing.recovery_number to commonwheel_app;

-- One 结算码: one claim recovers from one policy. Both sides are on the row and see it. `life` is where
-- it stands, the fold of its steps; the columns beside it are what lists look for it by.
create table clearing.recovery (
    slot                integer     not null check (slot between 0 and 65535),
    recovery_code       text        not null check (length(recovery_code) = 30),
    recovering_tenant   uuid        not null,
    recovering_insurer  text        not null,
    liable_tenant       uuid        not null check (liable_tenant <> recovering_tenant),
    liable_insurer      text        not null,
    region              text        not null, -- of the claim that recovers; clocks go by it
    claim_code          text        not null,
    liable_confirm_code text        not null,
    recover_from        text        not null check (recover_from in ('1', '2')),
    accident_at         timestamptz not null,
    locked_at           timestamptz not null,
    facts               json        not null, -- what was locked: clearing::recovery::Locked
    life                json        not null, -- clearing::recovery::review::Life
    derivation          json,                 -- how the latest claimed amount came about
    status              text        not null check (status in ('1', '2', '3', '4', '6', '9')),
    agreed_fen          bigint      not null default 0 check (0 <= agreed_fen),
    steps               integer     not null check (0 < steps),
    due_at              timestamptz,          -- when whoever is waited for is late
    escalated_at        timestamptz,
    primary key (slot, recovery_code),
    constraint recovery_wait_is_whole check ((due_at is null) = (escalated_at is null))
);
-- A claim recovers from a policy under one code at a time.
create unique index recovery_one_lock on clearing.recovery (slot, claim_code, liable_confirm_code)
    where status <> '9';
create index recovery_recovering on clearing.recovery (recovering_tenant, locked_at, recovery_code);
create index recovery_liable on clearing.recovery (liable_tenant, locked_at, recovery_code);
create index recovery_due on clearing.recovery (due_at) where due_at is not null;
-- Locks that touch a claim: the one that recovers, or one under the liable policy. Every claim step looks.
create index recovery_claim on clearing.recovery (claim_code);
create index recovery_policy on clearing.recovery (liable_confirm_code);

-- What was done under a code, in order. Insert-only.
create table clearing.recovery_step (
    slot          integer     not null,
    recovery_code text        not null,
    sequence      integer     not null check (0 < sequence),
    round         integer     not null check (0 < round),
    step          text        not null,
    side          text        not null check (side in ('recovering', 'liable', 'operator')),
    insurer       text,                 -- none of the operator
    client        text        not null,
    recorded_at   timestamptz not null,
    facts         json        not null,
    status        text        not null, -- after it
    primary key (slot, recovery_code, sequence),
    foreign key (slot, recovery_code) references clearing.recovery
);

-- Amounts both sides stand by, as posted for settlement. `told_at` is when the claim learnt that the
-- money came.
create table clearing.recovery_item (
    item_id       uuid        not null primary key,
    slot          integer     not null,
    recovery_code text        not null,
    round         integer     not null,
    amount_fen    bigint      not null check (0 < amount_fen),
    posted_at     timestamptz not null,
    told_at       timestamptz,
    constraint recovery_round_ends_once unique (slot, recovery_code, round),
    foreign key (slot, recovery_code) references clearing.recovery
);
create index recovery_item_untold on clearing.recovery_item (posted_at) where told_at is null;

-- Claim payments that name a code: the message that belongs to the money.
create table clearing.recovery_payment (
    slot          integer     not null,
    recovery_code text        not null,
    claim_code    text        not null,
    business_no   text        not null,
    amount_fen    bigint      not null,
    paid_at       timestamptz not null,
    recorded_at   timestamptz not null,
    primary key (slot, recovery_code, claim_code, business_no),
    foreign key (slot, recovery_code) references clearing.recovery
);

-- Which way an accident of a vehicle is settled. An accident has no number all insurers share; what
-- they do share is the vehicle and about the time. So no vehicle settles around one time both as 互碰自赔
-- and by recovery, whoever is faster.
create table clearing.accident_route (
    route_id    bigint      not null primary key generated always as identity,
    vehicle     bytea       not null check (octet_length(vehicle) = 16), -- digest of the frame number
    around      tstzrange   not null,
    route       text        not null check (route in ('mutual', 'recovery')),
    holder      text        not null, -- the claim, or the recovery code
    tenant_id   uuid        not null,
    taken_at    timestamptz not null,
    released_at timestamptz,
    constraint accident_goes_one_way
        exclude using gist (vehicle with =, around with &&, route with <>) where (released_at is null)
);
create index accident_route_holder on clearing.accident_route (holder) where released_at is null;

alter table clearing.recovery enable row level security;
create policy recovery_of_either_side on clearing.recovery using (
    (select clearing.is_house())
    or recovering_tenant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[])
    or liable_tenant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table clearing.recovery_step enable row level security;
create policy recovery_step_of_either_side on clearing.recovery_step using (exists (
    select from clearing.recovery r where r.slot = recovery_step.slot and r.recovery_code = recovery_step.recovery_code));
alter table clearing.recovery_item enable row level security;
create policy recovery_item_of_either_side on clearing.recovery_item using (exists (
    select from clearing.recovery r where r.slot = recovery_item.slot and r.recovery_code = recovery_item.recovery_code));
alter table clearing.recovery_payment enable row level security;
create policy recovery_payment_of_either_side on clearing.recovery_payment using (exists (
    select from clearing.recovery r where r.slot = recovery_payment.slot and r.recovery_code = recovery_payment.recovery_code));
alter table clearing.accident_route enable row level security;
create policy accident_route_of_holder on clearing.accident_route using (
    tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

grant select, insert on clearing.recovery, clearing.recovery_step, clearing.recovery_item,
    clearing.recovery_payment, clearing.accident_route to commonwheel_app;
grant update (life, derivation, status, agreed_fen, steps, due_at, escalated_at)
    on clearing.recovery to commonwheel_app;
grant update (told_at) on clearing.recovery_item to commonwheel_app;
grant update (released_at) on clearing.accident_route to commonwheel_app;
