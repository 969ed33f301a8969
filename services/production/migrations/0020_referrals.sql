-- 调查: a claim referred to its insurer's investigators. One a claim; a conclusion ends a round, and new
-- evidence begins another. What was told, and what was concluded in each round, is inserted and stays.
create table production.referral (
    slot         integer     not null,
    claim_no     text        not null,
    tenant_id    uuid        not null,
    round        integer     not null default 1 check (1 <= round),
    state        text        not null default 'open' check (state in ('open', 'assigned', 'concluded')),
    origin       text        not null check (origin in ('score', 'rule', 'person')), -- of this round
    band         text        check (band in ('low', 'review', 'high')), -- the highest so far
    chance_ppm   integer     check (chance_ppm between 0 and 1000000),  -- the highest so far
    rules        text[]      not null, -- that it rests on, each once
    opened_at    timestamptz not null, -- this round
    changed_at   timestamptz not null,
    assignee     text,
    assigned_at  timestamptz,
    concluded_at timestamptz,
    primary key (slot, claim_no),
    foreign key (slot, claim_no) references production.claim,
    constraint referral_assignment_is_whole check ((assignee is null) = (assigned_at is null)
        and (state = 'open') = (assignee is null)),
    constraint referral_end_has_its_time check ((state = 'concluded') = (concluded_at is not null))
);
create index referral_list on production.referral (tenant_id, changed_at, claim_no);

create table production.referral_evidence (
    slot      integer     not null,
    claim_no  text        not null,
    place     integer     not null check (1 <= place),
    tenant_id uuid        not null,
    round     integer     not null check (1 <= round),
    sequence  integer,              -- the step it was found at; null of what a person told
    rule      text,
    text      text        not null, -- names nobody
    other_claim_no text,
    told_by   text,                 -- the person
    told_at   timestamptz not null,
    primary key (slot, claim_no, place),
    foreign key (slot, claim_no) references production.referral
);

create table production.referral_conclusion (
    slot         integer     not null,
    claim_no     text        not null,
    round        integer     not null check (1 <= round),
    tenant_id    uuid        not null,
    finding      text        not null check (finding in ('confirmed', 'unconfirmed', 'clean')),
    saved_fen    bigint      not null check (0 <= saved_fen),
    schemes      text[]      not null,
    note         text,
    concluded_by text        not null,
    concluded_at timestamptz not null,
    primary key (slot, claim_no, round),
    foreign key (slot, claim_no) references production.referral,
    constraint referral_fraud_has_a_scheme check (finding <> 'confirmed' or 0 < cardinality(schemes)),
    constraint referral_clean_saved_nothing check (finding <> 'clean' or saved_fen = 0)
);
-- Labels, in the order of their conclusion.
create index referral_labels on production.referral_conclusion (tenant_id, concluded_at, claim_no);

alter table production.referral enable row level security;
create policy own_tenant on production.referral
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.referral_evidence enable row level security;
create policy own_tenant on production.referral_evidence
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.referral_conclusion enable row level security;
create policy own_tenant on production.referral_conclusion
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
grant select, insert, update on production.referral to commonwheel_app;
grant select, insert on production.referral_evidence, production.referral_conclusion to commonwheel_app;
