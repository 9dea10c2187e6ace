-- Who makes ids with which machine number: a sequence alone comes back to one that a process still uses (decision 9).

create table machine_leases (
    number int primary key check (number between 0 and 65535),
    holder uuid not null,
    leased_until timestamptz not null
);
comment on table machine_leases is
    'The machine numbers of the processes that make ids here; who starts takes the next that is free from machine on';
comment on column machine_leases.holder is 'Of this lease alone; another one of the same number has another';
comment on column machine_leases.leased_until is 'By the clock of this server; from then on, the number is free';

comment on sequence machine is 'From which machine number on a process that starts looks for a free one';

grant select, insert, update on machine_leases to shop_account;
