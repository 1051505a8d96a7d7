"""From a raw output and a target to an answer, a status and scores; as data, so that it can be done again."""
