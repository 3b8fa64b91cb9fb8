"""Who answers: the source of labels during a trial."""
