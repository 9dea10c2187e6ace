-- Limits to begin with, in minor units: 500.00 of each, and as much in yen and dong, which have none.
insert into payment_limit (currency_code, most) values
    ('EUR', 50000), ('GBP', 50000), ('USD', 50000), ('JPY', 75000), ('VND', 13000000);
