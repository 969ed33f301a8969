-- 理赔: a case lies on the chain of the insured vehicle, under the slot of its policy.
insert into production.number_lease (kind, next) values (5, 1), (6, 1), (8, 1);

-- A case as it stands: the fold of its steps, and what others look for it by. Quotes of every insurer
-- read the columns from `closed_at` on, so they stand beside the fold and not in it.
create table production.claim (
    slot            integer     not null check (slot between 0 and 65535),
    claim_no        text        not null check (length(claim_no) = 30),
    tenant_id       uuid        not null,
    insurer         text        not null,
    region          text        not null,
    confirm_no      text        not null,
    class           text        not null check (class in ('compulsory', 'commercial')),
    policy_no       text        not null,
    report_no       text        not null,
    frame_no        text        not null,
    accident_at     timestamptz not null,
    district        text        check (district ~ '^[0-9]{6}$'),
    stage           text        not null check (stage in
        ('NOTIFIED', 'REOPENED', 'SURVEYED', 'REGISTERED', 'ASSESSED', 'DOCUMENTED', 'ADJUSTED',
         'CLOSED', 'PAID', 'CANCELLED')),
    steps           integer     not null check (0 < steps),
    facts           json        not null, -- the case: production_core::claim::Case
    terms           json        not null, -- what the policy promised at the accident
    closed_at       timestamptz,          -- the closing that holds
    paid_at         timestamptz,
    first_settled_at timestamptz,         -- when it first counted, if the last time is another
    total_fen       bigint      not null default 0 check (0 <= total_fen),
    at_fault        boolean     not null,
    death           boolean     not null default false,
    counts          boolean     not null default true,
    fully_recovered boolean     not null default false,
    stolen          boolean     not null default false,
    corrected_at    timestamptz,          -- when what a quote may have counted last became something else
    next_due_at     timestamptz,          -- the earliest statutory clock that still runs
    recorded_at     timestamptz not null,
    changed_at      timestamptz not null,
    primary key (slot, claim_no),
    foreign key (slot, confirm_no) references production.policy,
    -- One case a report: the same report uploaded twice finds the first.
    constraint claim_report_is_told_once unique (slot, confirm_no, report_no)
);
create index claim_vehicle on production.claim (slot, frame_no);
-- Own cases, latest first, for lists and exports.
create index claim_own on production.claim (tenant_id, recorded_at, claim_no);
create index claim_due on production.claim (tenant_id, next_due_at) where next_due_at is not null;

-- What was uploaded, in the order it was taken. Insert-only: a repeated step is a version.
create table production.claim_step (
    slot           integer     not null,
    claim_no       text        not null,
    sequence       integer     not null check (0 < sequence),
    tenant_id      uuid        not null,
    step           text        not null,
    business_no    text        not null, -- the insurer's number of this piece of work
    round          integer     not null check (0 <= round),
    standing       text        not null check (standing in ('current', 'late')),
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    client         text        not null,
    digest         bytea       not null check (octet_length(digest) = 32), -- of the message as read
    facts          json        not null, -- what guards and discounts rest on, without personal data
    message_sealed bytea       not null, -- the whole message
    answer         bytea       not null, -- as it was answered, for the upload that comes twice
    primary key (slot, claim_no, sequence),
    foreign key (slot, claim_no) references production.claim,
    constraint claim_step_is_told_once unique (slot, claim_no, step, business_no)
);

-- What a case can be recognised by in another insurer's: frame numbers, plates, blind indexes of
-- phones, drivers and injured persons, codes of repairers. Distributed by the mark, off the chain.
create table production.claim_mark (
    kind        text        not null check (kind in
        ('frame', 'plate', 'phone', 'driver', 'repairer', 'injured', 'police')),
    mark        bytea       not null,
    slot        integer     not null,
    claim_no    text        not null,
    insurer     text        not null,
    class       text        not null,
    accident_at timestamptz not null,
    district    text,
    own         boolean     not null, -- of the insured vehicle's side
    recorded_at timestamptz not null,
    primary key (kind, mark, accident_at, claim_no)
);

-- 争议: a customer disputes through its insurer that a claim counts; the insurer that filed the claim
-- decides. Both see the case, so both tenants are on the row.
create table production.claim_dispute (
    slot            integer     not null,
    dispute_no      text        not null check (length(dispute_no) = 30),
    claim_no        text        not null,
    tenant_id       uuid        not null, -- who disputes
    insurer         text        not null,
    owner_tenant_id uuid        not null, -- who filed the claim
    owner_insurer   text        not null,
    query_no        text,                 -- the quote it was seen in
    ground          text        not null check (ground in
        ('not_my_vehicle', 'not_at_fault', 'nothing_paid', 'wrong_amount', 'wrong_date', 'other')),
    statement_sealed bytea      not null,
    opened_at       timestamptz not null,
    answer_due_at   timestamptz not null,
    decision        text        check (decision in ('upheld', 'rejected', 'withdrawn')),
    reason          text,
    decided_at      timestamptz,
    primary key (slot, dispute_no),
    foreign key (slot, claim_no) references production.claim,
    constraint claim_dispute_decision_is_whole check ((decision is null) = (decided_at is null))
);
-- One open dispute of a claim at a time.
create unique index claim_dispute_one_open on production.claim_dispute (slot, claim_no)
    where decision is null;
create index claim_dispute_opened on production.claim_dispute (tenant_id, opened_at, dispute_no);
create index claim_dispute_answered on production.claim_dispute (owner_tenant_id, opened_at, dispute_no);

alter table production.claim enable row level security;
create policy own_tenant on production.claim
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.claim_step enable row level security;
create policy own_tenant on production.claim_step
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.claim_dispute enable row level security;
create policy either_side on production.claim_dispute
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[])
           or owner_tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
-- The only reads of marks are the functions below.
alter table production.claim_mark enable row level security;
create policy written_only on production.claim_mark for insert with check (true);

-- Claims of vehicles, of every insurer, as a quote counts them. No amount but whether and how much was
-- paid in all, and no person.
create function production.vehicle_claims(slots integer[], frames text[])
    returns table (frame_no text, claim_no text, insurer text, class text, accident_at timestamptz,
                   closed_at timestamptz, paid_at timestamptz, first_settled_at timestamptz,
                   total_fen bigint, at_fault boolean, death boolean, counts boolean, fully_recovered boolean, stolen boolean)
    language plpgsql stable security definer rows 1
    set search_path = pg_catalog as $$
begin
    return query
        select c.frame_no, c.claim_no, c.insurer, c.class, c.accident_at, c.closed_at, c.paid_at,
               c.first_settled_at, c.total_fen, c.at_fault, c.death, c.counts, c.fully_recovered, c.stolen
        from unnest(slots, frames) as wanted (slot, frame_no)
        join production.claim c on c.slot = wanted.slot and c.frame_no = wanted.frame_no
        where c.stage <> 'CANCELLED';
end $$;

-- When a claim that a quote of that instant may have counted became something else after it: `place` is
-- the position of the vehicle asked for.
create function production.claims_corrected_since(slots integer[], frames text[], sinces timestamptz[])
    returns table (place bigint, corrected_at timestamptz)
    language plpgsql stable security definer rows 1
    set search_path = pg_catalog as $$
begin
    return query
        select wanted.place, max(c.corrected_at)
        from unnest(slots, frames, sinces) with ordinality as wanted (slot, frame_no, since, place)
        join production.claim c
          on c.slot = wanted.slot and c.frame_no = wanted.frame_no and c.corrected_at > wanted.since
        group by wanted.place;
end $$;

-- Other cases that carry a mark, of every insurer, the latest accidents first: `place` is the position
-- of the mark asked for. A busy repairer is in thousands of cases, so each mark has a bound.
create function production.claims_marked(kinds text[], marks bytea[], froms timestamptz[],
                                         tos timestamptz[], most integer)
    returns table (place bigint, kind text, slot integer, claim_no text, insurer text, class text,
                   accident_at timestamptz, district text, own boolean)
    language plpgsql stable security definer rows 2
    set search_path = pg_catalog as $$
begin
    return query
        select wanted.place, found.kind, found.slot, found.claim_no, found.insurer, found.class,
               found.accident_at, found.district, found.own
        from unnest(kinds, marks, froms, tos) with ordinality
                 as wanted (kind, mark, since, until, place)
        cross join lateral (
            select m.kind, m.slot, m.claim_no, m.insurer, m.class, m.accident_at, m.district, m.own
            from production.claim_mark m
            where m.kind = wanted.kind and m.mark = wanted.mark
              and wanted.since <= m.accident_at and m.accident_at <= wanted.until
            order by m.accident_at desc, m.claim_no
            limit most) found;
end $$;

revoke execute on function production.vehicle_claims, production.claims_corrected_since,
    production.claims_marked from public;
grant execute on function production.vehicle_claims, production.claims_corrected_since,
    production.claims_marked to commonwheel_app;

grant select, insert, update on production.claim, production.claim_dispute to commonwheel_app;
grant select, insert on production.claim_step to commonwheel_app;
grant insert on production.claim_mark to commonwheel_app;
