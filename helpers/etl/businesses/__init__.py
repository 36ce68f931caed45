"""What is particular: the sources, schemas and cleanings of each business."""

from helpers.doors import lazy_door

_PLACES = {
    "cosmetics": [
        "beauty_orders",
        "clean_reviews",
        "clean_sephora",
        "load_sephora",
        "random_split",
        "read_sephora",
        "sephora_orders",
        "twin_products",
        "twins_across",
    ],
    "operator": ["OPERATOR", "OPERATOR_MONTHS"],
    "schemas": ["SKIN_TYPES", "SKIN_WORDS"],
    "sensors": ["faults", "to_celsius"],
    "shop": [
        "SHOP",
        "SHOP_MONTHS",
        "clean_customers",
        "clean_order_lines",
        "clean_products",
        "clean_profiles",
        "clean_sales",
        "flat_products",
    ],
    "shared": ["PER_EURO", "clean_keyed", "scale_of_ten", "straight_line"],
    "telco": [
        "clean_telco",
        "read_telco",
        "split_customers",
        "telco_customers",
        "telco_numbers",
        "telco_schema",
    ],
}
__getattr__, __dir__, __all__ = lazy_door(__name__, _PLACES)
