-- Who may change products: merchants, whom an operator makes.

-- Shared by every database of the cluster; operations grant it to login roles.
do $$
begin
    create role account_operator nologin;
exception when duplicate_object or unique_violation then
    null;  -- another database of this cluster has made it
end
$$;

alter table accounts add column role text not null default 'customer' check (role in ('customer', 'merchant'));
comment on column accounts.role is
    'What access tokens say that the customer may do; the service cannot change it: account.grant_role does';

create schema account;
comment on schema account is 'What operators may do about accounts';

create function account.grant_role(email text, role text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    changed bigint;
begin
    update public.accounts a set role = role, updated_at = clock_timestamp()
    where lower(a.email collate "C") = lower(email collate "C") returning a.id into changed;
    if not found then
        raise exception 'there is no account of %', email using errcode = 'no_data_found';
    end if;
    -- What was issued before says what was true before.
    update public.sessions s set revoked_at = clock_timestamp() where s.account_id = changed and s.revoked_at is null;
end
$$;
comment on function account.grant_role(text, text) is
    'Makes an account that of a customer or a merchant. Ends its sessions: its next login gets tokens that say so';
revoke all on function account.grant_role(text, text) from public;
grant usage on schema account to account_operator;
grant execute on function account.grant_role(text, text) to account_operator;
