"""Keep the traffic of failed tests beside the run record, and run these tests again from the kept traffic."""
