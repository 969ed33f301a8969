-- 费用登记: who sold a policy and for how much, as registered. Insert-only: a change is a further
-- row, and the last one stands.
create table production.fee_registration (
    slot          integer       not null check (slot between 0 and 65535),
    confirm_no    text          not null check (length(confirm_no) = 30),
    sequence      integer       not null check (0 <= sequence),
    tenant_id     uuid          not null,
    class         text          not null check (class in ('compulsory', 'commercial')),
    channel       text          not null check (channel ~ '^[0-9]{2}$'),
    intermediary  text,
    licence_kind  text,
    licence_no    text,
    licence_from  date,
    licence_to    date,
    contract_no   text,
    ratio         numeric(8, 5) not null check (0 <= ratio and ratio < 1),
    premium_fen   bigint        not null check (0 <= premium_fen), -- the ratio's base at the time
    amount_fen    bigint        not null check (0 <= amount_fen),
    reason        text,                                            -- of a change (Z08)
    client        text          not null,
    registered_at timestamptz   not null,
    primary key (slot, confirm_no, sequence),
    foreign key (slot, confirm_no) references production.policy,
    constraint fee_licence_is_whole
        check (num_nonnulls(licence_kind, licence_no, licence_from, licence_to) in (0, 4)),
    constraint fee_change_has_its_reason check ((sequence = 0) = (reason is null))
);

-- Answers given to the image challenge of a quote, right or wrong: after the last try it is dead.
create table production.quote_check_try (
    slot      integer     not null,
    query_no  text        not null,
    tenant_id uuid        not null,
    tries     integer     not null check (0 < tries),
    last_at   timestamptz not null,
    primary key (slot, query_no),
    foreign key (slot, query_no) references production.quote
);

-- Checks of identity a region demanded and an insurer passed (rule L31), by the number the
-- authority or the operator knows them under.
create table production.identity_check (
    slot        integer     not null,
    query_no    text        not null,
    kind        text        not null check (kind in ('realName', 'smsCode', 'payment')),
    tenant_id   uuid        not null,
    reference   text        not null,
    recorded_at timestamptz not null,
    primary key (slot, query_no, kind),
    foreign key (slot, query_no) references production.quote
);

alter table production.fee_registration enable row level security;
create policy own_tenant on production.fee_registration
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.quote_check_try enable row level security;
create policy own_tenant on production.quote_check_try
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.identity_check enable row level security;
create policy own_tenant on production.identity_check
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Quotes of some days, for lists: block ranges, because a quote is written far more often than
-- quotes are listed and a further tree would slow every one of them.
create index quote_days on production.quote using brin (quoted_at);

-- Every policy of a vehicle, of every insurer, as it was known at an instant. Answers neither
-- premium nor party; the call that uses it states its purpose and leaves its evidence row.
create function production.vehicle_chain(wanted_slot integer, wanted_frame text, known_at timestamptz)
    returns table (confirm_no text, insurer text, class text, policy_no text, region text,
                   plate_kind text, plate text, engine_no text, issued_at timestamptz,
                   endorse_times integer, facts text)
    language plpgsql stable security definer rows 10
    set search_path = pg_catalog as $$
begin
    return query
        select p.confirm_no, p.insurer, p.class, p.policy_no, p.region,
               v.vehicle #>> '{plate,kind}', v.vehicle #>> '{plate,number}', v.vehicle ->> 'engineNo',
               p.issued_at, v.endorse_times, v.facts::text
        from production.policy p
        cross join lateral (
            select known.endorse_times, known.vehicle, known.facts
            from production.policy_version known
            where known.slot = p.slot and known.confirm_no = p.confirm_no
              and known.recorded_at <= known_at
            order by known.endorse_times desc limit 1) v
        where p.slot = wanted_slot and p.frame_no = wanted_frame
        order by p.cover_from desc, p.confirm_no;
end $$;

-- Which vehicles were insured under a plate, as known at an instant, and from when to when a
-- policy named it.
create function production.plate_carriers(wanted_plate text, wanted_kind text, known_at timestamptz)
    returns table (slot integer, frame_no text, first_known_at timestamptz, last_known_at timestamptz)
    language plpgsql stable security definer rows 2
    set search_path = pg_catalog as $$
begin
    return query
        select i.slot, i.frame_no, min(v.recorded_at), max(v.recorded_at)
        from production.plate_index i
        join production.policy p on p.slot = i.slot and p.frame_no = i.frame_no
        join production.policy_version v on v.slot = p.slot and v.confirm_no = p.confirm_no
        where i.plate = wanted_plate and (wanted_kind is null or i.plate_kind = wanted_kind)
          and v.recorded_at <= known_at
          and v.vehicle #>> '{plate,number}' = i.plate and v.vehicle #>> '{plate,kind}' = i.plate_kind
        group by i.slot, i.frame_no
        order by max(v.recorded_at) desc, i.frame_no;
end $$;

revoke execute on function production.vehicle_chain, production.plate_carriers from public;
grant execute on function production.vehicle_chain, production.plate_carriers to commonwheel_app;

grant select, insert on production.fee_registration, production.identity_check to commonwheel_app;
grant select, insert, update on production.quote_check_try to commonwheel_app;
