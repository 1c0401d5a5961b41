"""Resume an interrupted run from its record, without sending a completed request again."""
