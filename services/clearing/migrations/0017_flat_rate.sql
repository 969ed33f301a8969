-- 定额结算 (knock-for-knock module) in force: tried on the past, proposed by one person, confirmed by another.

-- What a flat rate would have meant, as it was worked out. Insert-only.
create table clearing.flat_rate_simulation (
    simulation_id uuid        not null primary key,
    region        text        not null check (region ~ '^[0-9]{6}$'), -- 000000: the nation
    from_at       timestamptz not null,
    to_at         timestamptz not null check (from_at < to_at),
    covers        text[]      not null check (0 < cardinality(covers)),
    ceiling_fen   bigint      not null check (0 < ceiling_fen),
    module_fen    bigint      not null check (0 <= module_fen),
    result        json        not null, -- as it was answered
    made_tenant   uuid        not null,
    made_by       text        not null,
    made_at       timestamptz not null
);

-- Versions of the rule of a region, each proposed and then decided once. What is in force for an accident is
-- the confirmed version with the latest start at or before it; an ending is a version too.
create table clearing.flat_rate (
    region          text        not null check (region ~ '^[0-9]{6}$'),
    version         int         not null check (0 < version),
    change          text        not null check (change in ('adopt', 'end')),
    since           timestamptz not null, -- accidents from then on
    covers          text[],
    ceiling_fen     bigint check (0 < ceiling_fen),
    module_fen      bigint check (module_fen between 1 and ceiling_fen),
    simulation_id   uuid        references clearing.flat_rate_simulation,
    reason          text        not null check (length(reason) between 1 and 500),
    proposed_tenant uuid        not null,
    proposed_by     text        not null,
    proposed_at     timestamptz not null,
    decision        text check (decision in ('confirm', 'reject')),
    decided_tenant  uuid,
    decided_by      text,
    decided_at      timestamptz,
    decided_reason  text check (length(decided_reason) between 1 and 500),
    primary key (region, version),
    constraint flat_rate_terms_are_whole
        check (num_nonnulls(covers, ceiling_fen, module_fen, simulation_id) = case change when 'adopt' then 4 else 0 end),
    constraint flat_rate_decision_is_whole
        check (num_nonnulls(decision, decided_tenant, decided_by, decided_at) in (0, 4)),
    -- Maker-checker, behind the pure check.
    constraint flat_rate_four_eyes
        check ((decided_tenant, decided_by) is distinct from (proposed_tenant, proposed_by)),
    constraint flat_rate_does_not_reach_back check (decision <> 'confirm' or decided_at <= since)
);
create unique index flat_rate_one_since on clearing.flat_rate (region, since) where decision = 'confirm';

alter table clearing.flat_rate_simulation enable row level security;
create policy flat_rate_simulation_of_house on clearing.flat_rate_simulation using ((select clearing.is_house()));
alter table clearing.flat_rate enable row level security;
create policy flat_rate_of_all on clearing.flat_rate using (true) with check ((select clearing.is_house()));
grant select, insert on clearing.flat_rate_simulation, clearing.flat_rate to commonwheel_app;
grant update (decision, decided_tenant, decided_by, decided_at, decided_reason) on clearing.flat_rate to commonwheel_app;

-- What a flat amount settles in place of the actual loss: what its claim counts as recovered.
alter table clearing.recovery_item add column settles_fen bigint check (0 < settles_fen);
