-- There is one operator, however many servers start at once.
create unique index tenant_one_operator on tenancy.tenant (kind) where kind = 'operator';
