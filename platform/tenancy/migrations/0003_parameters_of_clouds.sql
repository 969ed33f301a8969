-- A figure of one cloud carries its name: `production.quote_challenge`.
alter table tenancy.parameter drop constraint parameter_name_check;
alter table tenancy.parameter add constraint parameter_name_check
    check (name ~ '^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$' and length(name) <= 60);
