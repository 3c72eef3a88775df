package meta

// NoRemoval are the locks that forbid to delete: what must not be changed must
// not go either.
const NoRemoval = NoWrite | NoDelete

// LockChange switches bits of Locks on and off; those in neither set stay.
type LockChange struct{ Set, Clear Locks }
