"""Live objects <-> arrays and shallow states: one thin module for each framework, same verbs."""
