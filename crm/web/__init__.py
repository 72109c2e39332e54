"""Flask furniture without domain knowledge."""
