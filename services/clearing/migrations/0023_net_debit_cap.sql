-- 净借记限额: how much an insurer may owe in one position of a region's cycles. Versions, each proposed by
-- one person and then decided once by another; the latest that was confirmed holds. Never changed but
-- for the decision.
create table clearing.net_debit_cap (
    participant     uuid        not null,
    insurer         text        not null,
    region          text        not null check (region ~ '^[0-9]{6}$'), -- of the cycles; 000000: the nation
    version         int         not null check (0 < version),
    cap_fen         bigint      check (0 <= cap_fen), -- null: none
    reason          text        not null check (length(reason) between 1 and 500),
    proposed_tenant uuid        not null,
    proposed_by     text        not null,
    proposed_at     timestamptz not null,
    decision        text check (decision in ('confirm', 'reject')),
    decided_tenant  uuid,
    decided_by      text,
    decided_at      timestamptz,
    decided_reason  text check (length(decided_reason) between 1 and 500),
    primary key (participant, region, version),
    constraint net_debit_cap_decision_is_whole
        check (num_nonnulls(decision, decided_tenant, decided_by, decided_at) in (0, 4)),
    -- Maker-checker, behind the pure check.
    constraint net_debit_cap_four_eyes
        check ((decided_tenant, decided_by) is distinct from (proposed_tenant, proposed_by))
);

alter table clearing.net_debit_cap enable row level security;
create policy net_debit_cap_of_participant on clearing.net_debit_cap
    using ((select clearing.is_house()) or clearing.is_tenant(participant))
    with check ((select clearing.is_house()));
grant select, insert on clearing.net_debit_cap to commonwheel_app;
grant update (decision, decided_tenant, decided_by, decided_at, decided_reason)
    on clearing.net_debit_cap to commonwheel_app;
