-- Exports: an insurer's own data as one file, made in the background by whichever server takes
-- the job. What `due_at` means depends on the state: a queued export may be taken from then on, a
-- running one is given up for lost then, and taken by somebody else.
create table production.export (
    tenant_id      uuid        not null,
    export_id      uuid        not null,
    client         text        not null,
    -- Kinds are a closed list of the release that reads them; a new one needs no migration.
    kind           text        not null check (kind ~ '^[a-z][A-Za-z]{2,39}$'),
    format         text        not null check (format in ('csv', 'parquet')),
    from_at        timestamptz not null,
    to_at          timestamptz check (from_at < to_at), -- null: whatever was known at as_of
    as_of          timestamptz not null,
    region         text,
    class          text        check (class in ('compulsory', 'commercial')),
    shown          text        not null check (shown in ('masked', 'whole')),
    purpose        text,
    requested_at   timestamptz not null,
    state          text        not null default 'queued'
        check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    due_at         timestamptz not null,
    attempt        integer     not null default 0 check (0 <= attempt), -- who works on it: a later
                                                                        -- attempt shuts out an earlier
    failures       integer     not null default 0 check (0 <= failures),
    rows_estimated bigint      check (0 <= rows_estimated),
    rows_done      bigint      not null default 0 check (0 <= rows_done),
    bytes          bigint      not null default 0 check (0 <= bytes),
    pieces         integer     not null default 0 check (0 <= pieces),
    digest         bytea       check (octet_length(digest) = 32),
    started_at     timestamptz,
    ended_at       timestamptz,
    expires_at     timestamptz,
    failure        text,
    swept          boolean     not null default false, -- its pieces are gone for good
    primary key (tenant_id, export_id),
    constraint export_whole_has_a_purpose check (shown = 'masked' or purpose is not null),
    constraint export_done_is_whole
        check (state <> 'done' or num_nonnulls(digest, started_at, ended_at, expires_at) = 4),
    constraint export_failure_is_told check ((state = 'failed') = (failure is not null)),
    constraint export_end_has_its_time check ((state in ('queued', 'running')) = (ended_at is null))
);
create index export_list on production.export (tenant_id, requested_at, export_id);
create index export_due on production.export (due_at) where state in ('queued', 'running');
create index export_unswept on production.export (ended_at) where not swept and ended_at is not null;

-- The file, cut into pieces of 1 MiB (the last one shorter), each sealed with the tenant's key: any
-- server can serve any part of it, and nothing but the database has to be set up.
create table production.export_chunk (
    tenant_id uuid    not null,
    export_id uuid    not null,
    piece     integer not null check (0 <= piece),
    sealed    bytea   not null,
    primary key (tenant_id, export_id, piece),
    foreign key (tenant_id, export_id) references production.export
);
-- Sealed bytes do not compress.
alter table production.export_chunk alter column sealed set storage external;

-- Who had which bytes of a file sent to them, and why. Insert-only.
create table production.export_download (
    tenant_id  uuid        not null,
    export_id  uuid        not null,
    call_id    uuid        not null,
    client     text        not null,
    purpose    text,
    first_byte bigint      not null check (0 <= first_byte),
    bytes      bigint      not null check (0 <= bytes),
    began_at   timestamptz not null,
    primary key (tenant_id, export_id, call_id),
    foreign key (tenant_id, export_id) references production.export
);

alter table production.export enable row level security;
create policy own_tenant on production.export
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.export_chunk enable row level security;
create policy own_tenant on production.export_chunk
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.export_download enable row level security;
create policy own_tenant on production.export_download
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Exports read what was recorded in some days. Block ranges, as for quotes: these rows are written
-- in the order of their time, and far more often than they are exported.
create index policy_version_days on production.policy_version using brin (recorded_at);
create index endorsement_days on production.endorsement using brin (queried_at);
create index fee_registration_days on production.fee_registration using brin (registered_at);

-- Making exports crosses tenants; it learns which is due and whose, no more. One that was running
-- until its time ran out has lost its server, which counts as a failure.
create function production.take_export(now_at timestamptz, until_at timestamptz)
    returns table (tenant_id uuid, export_id uuid, attempt integer, failures integer)
    language plpgsql security definer set search_path = pg_catalog as $$
begin
    return query
        -- Materialized: looked for once, whatever the plan, so that one is taken and no more.
        with found as materialized (
            select due.tenant_id, due.export_id from production.export due
            where due.state in ('queued', 'running') and due.due_at <= now_at
            order by due.due_at, due.requested_at limit 1 for update skip locked)
        update production.export e
        set state = 'running', due_at = until_at, attempt = e.attempt + 1,
            failures = e.failures + case when e.state = 'running' then 1 else 0 end,
            started_at = coalesce(e.started_at, now_at), rows_done = 0, bytes = 0, pieces = 0
        from found
        where e.tenant_id = found.tenant_id and e.export_id = found.export_id
        returning e.tenant_id, e.export_id, e.attempt, e.failures;
end $$;

-- Housekeeping: removes the pieces of up to so many exports that came to nothing or ran out.
create function production.sweep_exports(now_at timestamptz, most integer) returns bigint
    language sql security definer set search_path = pg_catalog
    as $$
        with over as (
            select e.tenant_id, e.export_id from production.export e
            where not e.swept
              and (e.state in ('failed', 'cancelled') or e.state = 'done' and e.expires_at <= now_at)
            order by e.ended_at limit most for update skip locked
        ), gone as (
            delete from production.export_chunk c using over
            where c.tenant_id = over.tenant_id and c.export_id = over.export_id
        ), swept as (
            update production.export e set swept = true from over
            where e.tenant_id = over.tenant_id and e.export_id = over.export_id
            returning 1
        )
        select count(*) from swept
    $$;

revoke execute on function production.take_export, production.sweep_exports from public;
grant execute on function production.take_export, production.sweep_exports to commonwheel_app;

grant select, insert, update on production.export to commonwheel_app;
grant select, insert, delete on production.export_chunk to commonwheel_app;
grant select, insert on production.export_download to commonwheel_app;
