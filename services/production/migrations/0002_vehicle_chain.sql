-- The vehicle is the main chain: `slot` (0-65535, a hash of the frame number) comes first in
-- every key, so that the chain of one vehicle lies on one shard.

create extension if not exists btree_gist;

-- What the market knows of a vehicle, whoever insures it. Answers of outside systems are kept
-- with their day, sealed where they name a person; a fresh one saves the next call.
create table production.vehicle (
    slot          integer     not null check (slot between 0 and 65535),
    frame_no      text        not null check (frame_no = upper(frame_no) and length(frame_no) between 5 and 17),
    police_sealed bytea,
    police_at     timestamptz,
    model         json,
    model_at      timestamptz,
    tax_sealed    bytea,
    tax_at        timestamptz,
    updated_at    timestamptz not null,
    primary key (slot, frame_no),
    constraint vehicle_snapshots_are_dated check (
        (police_sealed is null) = (police_at is null)
        and (model is null) = (model_at is null)
        and (tax_sealed is null) = (tax_at is null))
);

-- A quote as answered. Insert-only: input and tariff version recompute it to the same fen, and
-- `rating_digest` proves that they do.
create table production.quote (
    slot                   integer     not null check (slot between 0 and 65535),
    query_no               text        not null check (length(query_no) = 30),
    tenant_id              uuid        not null,
    client                 text        not null,
    insurer                text        not null,
    region                 text        not null,
    frame_no               text        not null,
    quoted_at              timestamptz not null,
    expires_at             timestamptz not null check (quoted_at < expires_at),
    compulsory_from        timestamptz,
    compulsory_to          timestamptz,
    compulsory_premium_fen bigint      check (0 <= compulsory_premium_fen),
    commercial_from        timestamptz,
    commercial_to          timestamptz,
    commercial_premium_fen bigint      check (0 <= commercial_premium_fen),
    tax_fen                bigint      check (0 <= tax_fen),
    tariff_version         text        not null,
    rating_digest          bytea       not null check (octet_length(rating_digest) = 32),
    input                  json        not null, -- the rating input, without personal data
    vehicle                json        not null, -- identity: plate, engine number
    parties_sealed         bytea       not null,
    outside                json        not null, -- what was assumed and must be looked up again
    challenge              json,                 -- to be answered before pre-confirmation
    primary key (slot, query_no),
    constraint quote_has_a_product check (num_nonnulls(compulsory_from, commercial_from) >= 1),
    constraint quote_compulsory_is_whole
        check (num_nonnulls(compulsory_from, compulsory_to, compulsory_premium_fen) in (0, 3)
               and compulsory_from < compulsory_to),
    constraint quote_commercial_is_whole
        check (num_nonnulls(commercial_from, commercial_to, commercial_premium_fen) in (0, 3)
               and commercial_from < commercial_to)
);
-- The chain of a vehicle, latest first; also tells whether a newer quote supersedes this one.
create index quote_vehicle on production.quote (slot, frame_no, quoted_at desc);

-- From frozen premium to issued policies: one row a quote, made by the pre-confirmation. Time
-- moves it too (`valid_until`), without anybody touching the row.
create table production.proposal (
    slot                   integer     not null,
    query_no               text        not null,
    tenant_id              uuid        not null,
    stage                  text        not null
        check (stage in ('pre_confirmed', 'paid', 'confirmed', 'cancelled')),
    pre_confirmed_at       timestamptz not null,
    valid_until            timestamptz not null,
    compulsory_premium_fen bigint      check (0 <= compulsory_premium_fen),
    commercial_premium_fen bigint      check (0 <= commercial_premium_fen),
    tax_fen                bigint      not null check (0 <= tax_fen),
    fee_fen                bigint      not null check (0 <= fee_fen),
    fee                    json        not null, -- channel, intermediary, agreed ratio
    recheck                json        not null, -- outside answers still assumed
    paid_fen               bigint,
    payment_reference      text,
    paid_at                timestamptz,
    confirmed_at           timestamptz,
    cancelled_at           timestamptz,
    primary key (slot, query_no),
    foreign key (slot, query_no) references production.quote,
    constraint proposal_payment_is_whole check (num_nonnulls(paid_fen, payment_reference, paid_at) in (0, 3)),
    constraint proposal_is_paid_in_full check (paid_fen is null or paid_fen
        = coalesce(compulsory_premium_fen, 0) + coalesce(commercial_premium_fen, 0) + tax_fen),
    -- 见费出单: nothing is confirmed before its money is registered.
    constraint proposal_no_premium_no_policy check (stage not in ('paid', 'confirmed') or paid_at is not null),
    constraint proposal_confirmed_has_its_time check ((stage = 'confirmed') = (confirmed_at is not null)),
    constraint proposal_cancelled_has_its_time check ((stage = 'cancelled') = (cancelled_at is not null))
);

-- Money registered for a proposal or an endorsement.
create table production.payment (
    slot         integer     not null,
    payment_id   uuid        not null,
    tenant_id    uuid        not null,
    for_no       text        not null check (length(for_no) = 30), -- query or amend query code
    reference    text        not null, -- the insurer's or the bank's number of the payment
    method       text        not null check (method in ('bank_transfer', 'card', 'pos', 'mobile', 'cash', 'cheque')),
    payer_sealed bytea,
    amount_fen   bigint      not null,
    paid_at      timestamptz not null,
    recorded_at  timestamptz not null,
    primary key (slot, payment_id),
    constraint payment_reference_is_used_once unique (slot, for_no, reference)
);

-- A policy as it stands now; how it came to stand so is in policy_version.
create table production.policy (
    slot           integer     not null check (slot between 0 and 65535),
    confirm_no     text        not null check (length(confirm_no) = 30),
    tenant_id      uuid        not null,
    insurer        text        not null,
    region         text        not null,
    class          text        not null check (class in ('compulsory', 'commercial')),
    policy_no      text        not null,
    query_no       text        not null,
    frame_no       text        not null,
    plate_kind     text,
    plate          text,
    engine_no      text        not null,
    owner_index    bytea       not null, -- blind index of the owner, to see a change of owner
    quoted_at      timestamptz not null,
    issued_at      timestamptz not null,
    cover_from     timestamptz not null,
    cover_to       timestamptz not null, -- pushed back by suspensions
    short_term     boolean     not null,
    premium_fen    bigint      not null check (0 <= premium_fen),
    tax_fen        bigint      not null check (0 <= tax_fen),
    endorse_times  integer     not null default 0 check (0 <= endorse_times),
    transferred_at timestamptz,
    ended_at       timestamptz,
    end_kind       text        check (end_kind in ('revoked', 'surrendered', 'terminated')),
    facts          json        not null, -- what happened to it: suspensions, ending, transfer
    deferred_checks json       not null default '[]', -- outside answers never had
    tax_declaration_no text,             -- number under which the tax office knows the withholding
    cover          tstzrange   not null generated always as (
        case when end_kind is null then tstzrange(cover_from, cover_to, '[)')
             when ended_at <= cover_from then 'empty'::tstzrange
             else tstzrange(cover_from, least(ended_at, cover_to), '[)') end) stored,
    primary key (slot, confirm_no),
    constraint policy_period_is_a_period check (cover_from < cover_to),
    constraint policy_end_is_whole check ((ended_at is null) = (end_kind is null)),
    -- One vehicle, one compulsory cover at a time, across all insurers (rule L03).
    constraint policy_no_duplicate_compulsory
        exclude using gist (slot with =, frame_no with =, cover with &&) where (class = 'compulsory')
);
create index policy_vehicle on production.policy (slot, frame_no, cover_from desc);
-- Own policies by when they were issued, for lists and reports.
create index policy_own on production.policy (tenant_id, issued_at, confirm_no);

-- Bitemporal: what was true from `effective_at`, as known since `recorded_at`. Insert-only.
create table production.policy_version (
    slot           integer     not null,
    confirm_no     text        not null,
    endorse_times  integer     not null check (0 <= endorse_times),
    tenant_id      uuid        not null,
    amend_no       text,
    effective_at   timestamptz not null,
    recorded_at    timestamptz not null,
    cover_from     timestamptz not null,
    cover_to       timestamptz not null,
    facts          json        not null,
    premium_fen    bigint      not null,
    tax_fen        bigint      not null,
    vehicle        json        not null,
    input          json        not null,
    tariff_version text        not null,
    parties_sealed bytea       not null,
    primary key (slot, confirm_no, endorse_times),
    foreign key (slot, confirm_no) references production.policy
);

-- An insurer uses a policy number once per class (rule S09). Keyed by tenant, off the chain.
create table production.policy_number (
    tenant_id  uuid not null,
    class      text not null,
    policy_no  text not null,
    confirm_no text not null,
    primary key (tenant_id, class, policy_no)
);

-- Which vehicles carried a plate: look-ups by plate start here, distributed by plate.
create table production.plate_index (
    plate      text        not null,
    plate_kind text        not null,
    slot       integer     not null,
    frame_no   text        not null,
    seen_at    timestamptz not null,
    primary key (plate, plate_kind, frame_no)
);

-- The second lock of rule L03: the same plate and engine under two frame numbers.
create table production.compulsory_plate_cover (
    plate      text      not null,
    plate_kind text      not null,
    engine_no  text      not null,
    confirm_no text      not null,
    slot       integer   not null,
    cover      tstzrange not null,
    primary key (plate, plate_kind, confirm_no),
    constraint plate_no_duplicate_compulsory
        exclude using gist (plate with =, plate_kind with =, engine_no with =, cover with &&)
);

alter table production.quote enable row level security;
create policy own_tenant on production.quote
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.proposal enable row level security;
create policy own_tenant on production.proposal
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.payment enable row level security;
create policy own_tenant on production.payment
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.policy enable row level security;
create policy own_tenant on production.policy
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.policy_version enable row level security;
create policy own_tenant on production.policy_version
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.policy_number enable row level security;
create policy own_tenant on production.policy_number
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Cross-insurer reads exist only as the functions below. They answer no personal data, and the
-- call that uses them leaves its evidence row. plpgsql, because its plans are kept.

-- Earlier policies of vehicles, of every insurer: what a discount and a float are decided on.
create function production.vehicle_policies(slots integer[], frames text[])
    returns table (frame_no text, confirm_no text, insurer text, class text, policy_no text,
                   plate_kind text, plate text, engine_no text, owner_index bytea,
                   quoted_at timestamptz, issued_at timestamptz,
                   cover_from timestamptz, cover_to timestamptz, short_term boolean,
                   transferred_at timestamptz, ended_at timestamptz, end_kind text)
    language plpgsql stable security definer rows 10
    set search_path = pg_catalog as $$
begin
    return query
        select p.frame_no, p.confirm_no, p.insurer, p.class, p.policy_no, p.plate_kind, p.plate,
               p.engine_no, p.owner_index, p.quoted_at, p.issued_at, p.cover_from, p.cover_to,
               p.short_term, p.transferred_at, p.ended_at, p.end_kind
        from unnest(slots, frames) as wanted (slot, frame_no)
        join production.policy p on p.slot = wanted.slot and p.frame_no = wanted.frame_no;
end $$;

-- The live compulsory policy a plate and engine are covered by under another frame number.
create function production.plate_covers(plates text[], kinds text[], engines text[],
                                        froms timestamptz[], tos timestamptz[])
    returns table (place bigint, confirm_no text)
    language plpgsql stable security definer rows 2
    set search_path = pg_catalog as $$
begin
    return query
        select wanted.place, c.confirm_no
        from unnest(plates, kinds, engines, froms, tos) with ordinality
                 as wanted (plate, kind, engine, cover_from, cover_to, place)
        join production.compulsory_plate_cover c
          on c.plate = wanted.plate and c.plate_kind = wanted.kind and c.engine_no = wanted.engine
         and c.cover && tstzrange(wanted.cover_from, wanted.cover_to, '[)');
end $$;

revoke execute on function production.vehicle_policies, production.plate_covers from public;
grant execute on function production.vehicle_policies, production.plate_covers to commonwheel_app;

grant select, insert, update on production.vehicle, production.proposal, production.policy,
    production.plate_index, production.compulsory_plate_cover to commonwheel_app;
grant select, insert on production.quote, production.payment, production.policy_version,
    production.policy_number to commonwheel_app;
grant delete on production.compulsory_plate_cover to commonwheel_app;
