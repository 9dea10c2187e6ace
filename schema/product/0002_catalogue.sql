-- A catalogue to begin with.
insert into categories (id, name, description) values
    (1, 'Writing', 'Pens and what they write with'),
    (2, 'Paper', 'To write on, and to send it in'),
    (3, 'Furniture', 'To write at');
insert into products (id, category_id, name, brand_name, description, price, inventory) values
    (1, 1, 'Fountain pen', 'Quillworks', 'Steel nib, medium, with a converter', 4900, 1000000),
    (2, 1, 'Ink, 50 ml', 'Quillworks', 'Iron gall, blue-black, waterproof', 1250, 1000000),
    (3, 2, 'Notebook A5', 'Foldmark', '192 numbered pages, dotted, thread-bound', 1890, 1000000),
    (4, 2, 'Envelopes, 100 pieces', 'Foldmark', 'C6, recycled, gummed', 790, 1000000),
    (5, 3, 'Writing desk', 'Eichenhaus', 'Solid oak, two drawers, 140 × 70 cm', 89900, 1000000);
