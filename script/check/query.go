package check

// NamesTimeout reports whether the begin block has a timeout option, also one
// whose value is a placeholder.
func (i *Info) NamesTimeout() bool {
	for _, b := range i.BoundOptions {
		if b.ID == optTimeout {
			return true
		}
	}
	return i.Options.TimeoutMs != 0
}
