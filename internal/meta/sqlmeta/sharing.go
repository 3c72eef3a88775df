package sqlmeta

import (
	"errors"
	"time"

	"github.com/orlop/orlop/internal/meta"
)

// On a shared database, transactions of many processes meet. What they look at
// before they write must stay as it is until they are done.
//
// A repository is shared by those who push to it and delete tags: they look at
// its row, and lock it against those who must be alone. These change locks,
// remove manifests, links or the repository, and store manifests of which a part
// is missing: what they look at reaches over many rows, of which some may not
// exist yet. Of what several who share it change, each row is locked by itself,
// tags in the order of their names, blobs of their ids.
//
// Rows are shared by whoever comes, also past somebody who waits to be alone. So
// who finds the repository in use reserves it first, for a short time, and those
// who come then give way.

// sharing is what a transaction knows of others, between its runs.
type sharing struct {
	alone   bool // in its repository
	waits   bool // to be alone, after it has reserved the repository
	claim   claim
	gaveWay int    // how often
	unseen  string // tag that was not there when Tag asked for it
}

// claim is a repository that is reserved, and since when.
type claim struct {
	registry int64
	name     string
	since    int64
}

const (
	reserve = `INSERT INTO reservations (registry_id, name, since) VALUES ($1, $2, $3)
		ON CONFLICT (registry_id, name) DO UPDATE SET since = excluded.since`
	endReservation = `DELETE FROM reservations WHERE registry_id = $1 AND name = $2 AND since = $3`
)

const (
	// reservation is how long a repository stays reserved if nobody ends it. By
	// clocks that differ it is longer or shorter, which costs time only.
	reservation = 2 * time.Second
	// maxGaveWay is how often a transaction gives way before it goes on anyway.
	maxGaveWay = 50
	// wayPause is how long it does at most, each time.
	wayPause = 20 * time.Millisecond
)

// Why a transaction is run again, beside what the database says.
var (
	errAlone    = errors.New("the transaction has to be alone in its repository")
	errInUse    = errors.New("the repository is in use")
	errReserved = errors.New("the repository is reserved")
	errAgain    = errors.New("another transaction came between")
)

// repository returns the id of a repository for a change that the locks in
// forbids do not allow, and shares it until the end of the transaction.
// ErrNotFound if it is absent, ErrLocked if it has one of them.
func (tx *Tx) repository(registry int64, name string, forbids meta.Locks) (int64, error) {
	id, locks, err := tx.lockRepository(registry, name)
	if err == nil && locks&forbids != 0 {
		err = ErrLocked
	}
	return id, err
}

// aloneIn is repository for a transaction that must be alone in it.
func (tx *Tx) aloneIn(registry int64, name string, forbids meta.Locks) (int64, error) {
	tx.alone = true
	return tx.repository(registry, name, forbids)
}

// mustBeAlone is nil in a transaction that is alone in its repository, and ends
// others, which are run again so.
func (tx *Tx) mustBeAlone() error {
	if tx.alone || !tx.db.Shared() {
		return nil
	}
	return errAlone
}

func (tx *Tx) lockRepository(registry int64, name string) (id int64, locks meta.Locks, err error) {
	const query = `SELECT id, locks FROM repositories WHERE registry_id = $1 AND name = $2`
	switch {
	case !tx.db.Shared():
		err = tx.row(query, registry, name).Scan(&id, &locks)
	case tx.alone && tx.waits:
		err = tx.row(query+` FOR UPDATE`, registry, name).Scan(&id, &locks)
		if err == nil {
			_, err = tx.exec(endReservation, registry, name, tx.claim.since)
		}
	case tx.alone:
		err = tx.row(query+` FOR UPDATE NOWAIT`, registry, name).Scan(&id, &locks)
		if inUse(err) {
			tx.claim = claim{registry, name, micros(tx.db.now())}
			err = errInUse
		}
	default:
		var since *int64
		err = tx.row(`SELECT id, locks, (SELECT since FROM reservations WHERE registry_id = $1 AND name = $2)
			FROM repositories WHERE registry_id = $1 AND name = $2 FOR KEY SHARE`, registry, name).Scan(&id, &locks, &since)
		if err == nil && since != nil && tx.gaveWay < maxGaveWay && tx.db.now().Sub(moment(*since)).Abs() < reservation {
			err = errReserved
		}
	}
	return id, locks, err
}

// turn makes transactions with the same name follow each other.
func (tx *Tx) turn(name string) error {
	if !tx.db.Shared() {
		return nil
	}
	_, err := tx.exec(`INSERT INTO turns (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name`, name)
	return err
}
