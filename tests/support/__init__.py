"""What several test folders share: running dbt, comparing databases table by table."""
