-- What happened, written with the fact itself, read by whoever must know.

grant usage on schema events to commonwheel_app;

-- Lies on the shard of the vehicle it is about (`slot`), like the row it tells of.
--
-- `written_by` orders the feed. Identifiers and times are taken before commit, so a later number
-- can become visible first and a reader that went by them would step over the earlier one. A
-- reader therefore goes by transaction and stops before the oldest that may still be open.
create table events.outbox (
    slot         int         not null check (slot between 0 and 65535),
    event_id     uuid        not null,
    tenant_id    uuid        not null,
    type         text        not null check (type <> ''),
    subject      text        not null,
    occurred_at  timestamptz not null,
    trace_id     text        not null,
    -- Text as it will be sent: never searched, so never taken apart.
    data         json        not null,
    written_by   xid8        not null default pg_current_xact_id(),
    primary key (slot, event_id)
);

-- The feed's order within a tenant; without it every poll would read the whole table.
create index outbox_feed on events.outbox (tenant_id, written_by, event_id);

alter table events.outbox enable row level security;
create policy outbox_of_tenant on events.outbox
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

grant select, insert on events.outbox to commonwheel_app;
