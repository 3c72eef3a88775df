package state

import "io/fs"

// ours is always true: what lies in the user's profile has its access rights.
func ours(fs.FileInfo) bool { return true }
