"""The cast's passwords."""

ADA_PASSWORD = "correct horse battery"
BOB_PASSWORD = "tr0ub4dor and three"
