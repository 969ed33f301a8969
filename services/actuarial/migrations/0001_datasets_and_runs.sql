-- The actuarial data cloud: portfolios a tenant imported, and what was computed from them.
grant usage on schema actuarial to commonwheel_app;

-- Files: what was uploaded, what of it did not fit, what a run found; rows of datasets are in the lake. Cut into pieces of 1 MiB (the
-- last one shorter), each sealed with the tenant's key, so that any server can read any part of them and
-- nothing but the database has to be set up. A file is open while it is written, kept from the moment
-- another row names it, dropped when none does any more; what is not kept is swept.
create table actuarial.file (
    tenant_id uuid        not null,
    file_id   uuid        not null,
    state     text        not null default 'open' check (state in ('open', 'kept', 'dropped')),
    pieces    integer     not null default 0 check (0 <= pieces),
    bytes     bigint      not null default 0 check (0 <= bytes),
    digest    bytea       check (octet_length(digest) = 32),
    opened_at timestamptz not null,
    primary key (tenant_id, file_id),
    constraint file_kept_is_whole check (state <> 'kept' or digest is not null)
);
create index file_unswept on actuarial.file (opened_at) where state <> 'kept';

create table actuarial.file_piece (
    tenant_id uuid    not null,
    file_id   uuid    not null,
    piece     integer not null check (0 <= piece),
    sealed    bytea   not null,
    primary key (tenant_id, file_id, piece),
    foreign key (tenant_id, file_id) references actuarial.file
);
-- Sealed bytes do not compress.
alter table actuarial.file_piece alter column sealed set storage external;

-- A dataset is a name; what is under it are its versions.
create table actuarial.dataset (
    tenant_id  uuid        not null,
    dataset_id uuid        not null,
    name       text        not null check (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    versions   integer     not null check (1 <= versions), -- the latest, whether it came to anything
    created_at timestamptz not null,
    primary key (tenant_id, dataset_id),
    constraint dataset_name_is_unique unique (tenant_id, name)
);

-- One import. What `due_at` means depends on the state: a queued import may be taken from then on, a
-- running one is given up for lost then, and taken by somebody else. Once done it never changes.
create table actuarial.dataset_version (
    tenant_id      uuid        not null,
    dataset_id     uuid        not null,
    version        integer     not null check (1 <= version),
    client         text        not null,
    title          text,
    -- How the file is to be read, as it was asked for.
    about          jsonb       not null,
    source_name    text,
    source_bytes   bigint      not null check (0 <= source_bytes),
    source_digest  bytea       not null check (octet_length(source_digest) = 32),
    requested_at   timestamptz not null,
    state          text        not null default 'queued'
        check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    due_at         timestamptz not null,
    attempt        integer     not null default 0 check (0 <= attempt), -- a later attempt shuts out an
                                                                        -- earlier one
    failures       integer     not null default 0 check (0 <= failures),
    percent        smallint    not null default 0 check (percent between 0 and 100),
    rows_read      bigint      not null default 0 check (0 <= rows_read),
    upload_file    uuid,
    data_at        text, -- name of the lake's dataset that holds the rows
    error_file     uuid,
    row_count      bigint      check (0 <= row_count),
    rejected_count bigint      check (0 <= rejected_count),
    error_count    bigint      check (0 <= error_count),
    columns        jsonb,
    digest         bytea       check (octet_length(digest) = 32),
    started_at     timestamptz,
    ended_at       timestamptz,
    failure        text,
    primary key (tenant_id, dataset_id, version),
    foreign key (tenant_id, dataset_id) references actuarial.dataset,
    constraint version_done_is_whole check (state <> 'done'
        or num_nonnulls(data_at, row_count, rejected_count, error_count, columns, digest) = 6),
    constraint version_failure_is_told check ((state = 'failed') = (failure is not null)),
    constraint version_end_has_its_time
        check ((state in ('queued', 'running')) = (ended_at is null))
);
create index version_due on actuarial.dataset_version (due_at) where state in ('queued', 'running');
create index version_list on actuarial.dataset_version (tenant_id, requested_at, dataset_id, version);

-- One run: a method, its parameters, and what it read and found. The digest of the inputs covers method,
-- parameters, the digest of the data, the version of the code and the seed: runs with equal digests have
-- equal results.
create table actuarial.run (
    tenant_id     uuid        not null,
    run_id        uuid        not null,
    client        text        not null,
    label         text,
    method        text        not null check (method ~ '^[a-z][A-Za-z]{2,39}$'),
    parameters    jsonb       not null,
    dataset_id    uuid        not null,
    version       integer     not null,
    code_version  text        not null,
    seed          bigint      not null,
    input_digest  bytea       not null check (octet_length(input_digest) = 32),
    requested_at  timestamptz not null,
    state         text        not null default 'queued'
        check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    due_at        timestamptz not null,
    attempt       integer     not null default 0 check (0 <= attempt),
    failures      integer     not null default 0 check (0 <= failures),
    percent       smallint    not null default 0 check (percent between 0 and 100),
    stage         text        not null default 'queued',
    result_file   uuid,
    result_digest bytea       check (octet_length(result_digest) = 32),
    figures       jsonb,
    started_at    timestamptz,
    ended_at      timestamptz,
    failure       jsonb,
    primary key (tenant_id, run_id),
    foreign key (tenant_id, dataset_id, version) references actuarial.dataset_version,
    constraint run_done_is_whole
        check (state <> 'done' or num_nonnulls(result_file, result_digest, figures, started_at) = 4),
    constraint run_failure_is_told check ((state = 'failed') = (failure is not null)),
    constraint run_end_has_its_time check ((state in ('queued', 'running')) = (ended_at is null))
);
create index run_list on actuarial.run (tenant_id, requested_at, run_id);
create index run_due on actuarial.run (due_at) where state in ('queued', 'running');

alter table actuarial.file enable row level security;
create policy own_tenant on actuarial.file
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table actuarial.file_piece enable row level security;
create policy own_tenant on actuarial.file_piece
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table actuarial.dataset enable row level security;
create policy own_tenant on actuarial.dataset
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table actuarial.dataset_version enable row level security;
create policy own_tenant on actuarial.dataset_version
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table actuarial.run enable row level security;
create policy own_tenant on actuarial.run
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Working on jobs crosses tenants; it learns which is due and whose, no more. One that was running until
-- its time ran out has lost its server, which counts as a failure.
create function actuarial.take_import(now_at timestamptz, until_at timestamptz)
    returns table (tenant_id uuid, dataset_id uuid, version integer, attempt integer, failures integer)
    language plpgsql security definer set search_path = pg_catalog as $$
begin
    return query
        -- Materialized: looked for once, whatever the plan, so that one is taken and no more.
        with found as materialized (
            select due.tenant_id, due.dataset_id, due.version from actuarial.dataset_version due
            where due.state in ('queued', 'running') and due.due_at <= now_at
            order by due.due_at, due.requested_at limit 1 for update skip locked)
        update actuarial.dataset_version v
        set state = 'running', due_at = until_at, attempt = v.attempt + 1,
            failures = v.failures + case when v.state = 'running' then 1 else 0 end,
            started_at = coalesce(v.started_at, now_at), percent = 0, rows_read = 0
        from found
        where v.tenant_id = found.tenant_id and v.dataset_id = found.dataset_id
          and v.version = found.version
        returning v.tenant_id, v.dataset_id, v.version, v.attempt, v.failures;
end $$;

create function actuarial.take_run(now_at timestamptz, until_at timestamptz)
    returns table (tenant_id uuid, run_id uuid, attempt integer, failures integer)
    language plpgsql security definer set search_path = pg_catalog as $$
begin
    return query
        with found as materialized (
            select due.tenant_id, due.run_id from actuarial.run due
            where due.state in ('queued', 'running') and due.due_at <= now_at
            order by due.due_at, due.requested_at limit 1 for update skip locked)
        update actuarial.run r
        set state = 'running', due_at = until_at, attempt = r.attempt + 1,
            failures = r.failures + case when r.state = 'running' then 1 else 0 end,
            started_at = coalesce(r.started_at, now_at), percent = 0, stage = 'starting'
        from found
        where r.tenant_id = found.tenant_id and r.run_id = found.run_id
        returning r.tenant_id, r.run_id, r.attempt, r.failures;
end $$;

-- Housekeeping: removes up to so many files that nobody names, or that were never finished.
create function actuarial.sweep_files(open_before timestamptz, most integer) returns bigint
    language sql security definer set search_path = pg_catalog
    as $$
        with over as (
            select f.tenant_id, f.file_id from actuarial.file f
            where f.state = 'dropped' or f.state = 'open' and f.opened_at < open_before
            order by f.opened_at limit most for update skip locked
        ), gone as (
            delete from actuarial.file_piece p using over
            where p.tenant_id = over.tenant_id and p.file_id = over.file_id
            returning p.tenant_id, p.file_id
        ), swept as (
            -- The row of a file goes once its pieces are gone.
            delete from actuarial.file f using over
            where f.tenant_id = over.tenant_id and f.file_id = over.file_id
              and not exists (select from gone
                              where gone.tenant_id = f.tenant_id and gone.file_id = f.file_id)
            returning 1
        )
        select (select count(*) from over)
    $$;

revoke execute on function actuarial.take_import, actuarial.take_run, actuarial.sweep_files from public;
grant execute on function actuarial.take_import, actuarial.take_run, actuarial.sweep_files
    to commonwheel_app;

grant select, insert, update on actuarial.file, actuarial.dataset, actuarial.dataset_version,
    actuarial.run to commonwheel_app;
grant select, insert on actuarial.file_piece to commonwheel_app;
