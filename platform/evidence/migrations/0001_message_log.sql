-- The log of served messages: who asked what, when, under which function and for which purpose,
-- with digests of request and reply, so that either side can later prove what was said.

grant usage on schema evidence to commonwheel_app;

-- Rows are added and never changed; the application role cannot do either. No index but the key:
-- a subject's slot is known, and a slot's rows are few.
create table evidence.message (
    slot            int         not null check (slot between 0 and 65535),
    call_id         uuid        not null,
    tenant_id       uuid        not null,
    client          text        not null,
    function_code   text        not null,
    purpose         text        not null,
    -- The platform number or the digest of the frame number the call was about; empty when none.
    subject         text        not null,
    request_digest  bytea       not null check (length(request_digest) = 32),
    reply_digest    bytea       not null check (length(reply_digest) = 32),
    -- The HTTP status of the reply.
    status          int2        not null,
    served_at       timestamptz not null,
    trace_id        text        not null,
    primary key (slot, call_id)
);

alter table evidence.message enable row level security;
create policy message_of_tenant on evidence.message
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

grant select, insert on evidence.message to commonwheel_app;
