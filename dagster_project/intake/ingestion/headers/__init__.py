"""Files and their headers: opened safely, checked, pseudonymised."""
