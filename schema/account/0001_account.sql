-- The account service's own tables. Needs schema/outbox in the same database.

-- Shared by every database of the cluster; operations give it a password, or grant it to a login role.
do $$
begin
    create role shop_account nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;
do $$
begin
    grant postroom_service to shop_account;
exception when unique_violation then
    null;
end
$$;

create table accounts (
    id           bigint      primary key check (id > 0),
    active       boolean     not null default true,
    first_name   text        not null,
    last_name    text        not null,
    email        text        not null,
    address      text        not null,
    phone_number text        not null constraint one_account_a_phone_number unique,
    password     text        not null,
    created_at   timestamptz not null default clock_timestamp(),
    updated_at   timestamptz not null default clock_timestamp()
);
comment on table accounts is 'Customers. The row is locked before an event of the account is appended';
comment on column accounts.id is 'Sonyflake: id >> 24 is the time of registration, in 10 ms since 2014-09-01';
comment on column accounts.active is 'Otherwise nobody gets in, and no token counts; operations set it';
comment on column accounts.email is 'As it was given; found by lower(email collate "C")';
comment on column accounts.password is 'Its argon2id hash, with salt and parameters, as libsodium writes it';

create unique index one_account_an_email on accounts (lower(email collate "C"));

create table sessions (
    id         bigint      primary key check (id > 0),
    account_id bigint      not null references accounts,
    refresh_id text        not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default clock_timestamp()
);
comment on table sessions is 'Logins: every token names one, and counts no longer than it does';
comment on column sessions.refresh_id is
    'jti of the one refresh token that counts; any other of the session was used before, and revokes it';
comment on column sessions.expires_at is 'When that token expires; the next login of the account deletes the row';
comment on column sessions.revoked_at is 'Set by a logout, or by a refresh token that came a second time';

create index sessions_of_account on sessions (account_id);

create table login_attempts (
    key      bytea       primary key,
    attempts int         not null check (attempts >= 0),
    since    timestamptz not null default clock_timestamp()
);
comment on table login_attempts is 'Logins that failed or have not ended, counted in a window that begins at the first';
comment on column login_attempts.key is 'SHA-256 of "account EMAIL" or "address IP"';
comment on column login_attempts.since is 'When the window began; rows of old windows go with somebody''s next login';

create index old_login_attempts on login_attempts (since);

create sequence machine as int minvalue 0 maxvalue 65535 cycle;
comment on sequence machine is
    'Hands each process that starts its machine number for ids; returns to a number after 65536 starts';

grant select on accounts, sessions, login_attempts to shop_account;
grant insert (id, first_name, last_name, email, address, phone_number, password) on accounts to shop_account;
grant update (first_name, last_name, email, address, phone_number, password, updated_at)
    on accounts to shop_account;
grant insert (id, account_id, refresh_id, expires_at) on sessions to shop_account;
grant update (refresh_id, expires_at, revoked_at), delete on sessions to shop_account;
grant insert (key, attempts), update (attempts, since), delete on login_attempts to shop_account;
grant usage on sequence machine to shop_account;
