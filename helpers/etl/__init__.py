"""Stages 2 and 3: extract, check, transform, combine and load, with books of every row.

extract/     a reader for each kind of source, and where rows land
books        rows in = loaded + set aside + quarantined + merged, with reasons
parsing      texts into numbers, dates, flags and words
features     derived columns, and features as of a day
combine      joins, one schema, contradictions
splits       by time and by customer
load, lake   a warehouse, a database, Parquet files
privacy      pseudonyms, consent
chain        all of it in four calls, for the steps of a business
businesses/  what is particular: shop, operator, cosmetics, IBM's Telco file, sensors, schemas;
             and what their cleanings share
"""
