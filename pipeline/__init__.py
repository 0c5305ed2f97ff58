"""How the data is run: plan, engine, resume, account, report and progress."""
