-- The production cloud: tariffs, numbers, and the vehicle chain.
grant usage on schema production to commonwheel_app;

-- A tariff bundle as it was loaded, whole. Bundles are never changed: a correction is another
-- bundle. Who loads and who publishes are two people (maker and checker).
create table production.tariff_bundle (
    version      text        not null primary key check (version ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    digest       text        not null check (digest ~ '^[0-9a-f]{64}$'),
    files        bytea       not null, -- the CSV files and the manifest as one JSON object of texts
    loaded_by    text        not null,
    loaded_at    timestamptz not null
);

-- Publications in order; the latest one is in force. Going back is publishing an old bundle again.
create table production.tariff_publication (
    publication  bigint      not null generated always as identity primary key,
    version      text        not null references production.tariff_bundle,
    published_by text        not null,
    published_at timestamptz not null
);

-- Maker-checker, behind the command line's own check.
create function production.refuse_own_publication() returns trigger language plpgsql as $$
begin
    if exists (select 1 from production.tariff_bundle
               where version = new.version and loaded_by = new.published_by) then
        raise exception using errcode = 'check_violation', constraint = 'tariff_four_eyes',
            message = 'whoever loaded a tariff may not publish it';
    end if;
    perform pg_notify('commonwheel_tariff', new.version);
    return new;
end $$;
create trigger tariff_four_eyes before insert on production.tariff_publication
    for each row execute function production.refuse_own_publication();

-- Sequences of platform numbers are leased to processes in blocks: no counter is hot, and a
-- block lost with its process is a gap, which nobody promises not to have.
create table production.number_lease (
    kind smallint not null primary key check (kind between 1 and 99),
    next bigint   not null check (next between 1 and 1000000000000)
);
insert into production.number_lease (kind, next) values (1, 1), (2, 1), (3, 1), (4, 1);

grant select, insert on production.tariff_bundle, production.tariff_publication to commonwheel_app;
grant select, update on production.number_lease to commonwheel_app;
