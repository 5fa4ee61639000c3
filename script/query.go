package script

// CanSleep reports whether a run may reach a sleep.
func (p *Program) CanSleep() bool { return p.info.CanSleep }

// CanWrite reports whether a run may reach a command that writes.
func (p *Program) CanWrite() bool { return p.info.CanWrite }

// NamesTimeout reports whether the script's begin block has a time-out of its
// own.
func (p *Program) NamesTimeout() bool { return p.info.NamesTimeout() }
