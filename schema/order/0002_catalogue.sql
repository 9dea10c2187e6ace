-- A catalogue to begin with: until the product service exists, these are the products.
insert into catalogue (product_id, category_id, name, brand_name, description, price) values
    (1, 1, 'Fountain pen', 'Quillworks', 'Steel nib, medium, with a converter', 4900),
    (2, 1, 'Ink, 50 ml', 'Quillworks', 'Iron gall, blue-black, waterproof', 1250),
    (3, 2, 'Notebook A5', 'Foldmark', '192 numbered pages, dotted, thread-bound', 1890),
    (4, 2, 'Envelopes, 100 pieces', 'Foldmark', 'C6, recycled, gummed', 790),
    (5, 3, 'Writing desk', 'Eichenhaus', 'Solid oak, two drawers, 140 × 70 cm', 89900);
