package sqlmeta

// Shared tells whether other processes may write to the database too. What was
// read from it is not to be kept then.
func (db *DB) Shared() bool { return false }
