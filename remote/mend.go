package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/orlop/orlop"
)

// upload sends the content up to end, and completes the blob if dgst is not
// empty. After a failure that may pass it asks the registry how far it has
// come, and goes on from there, or starts over if that cannot be.
//
// A request that brings the upload forward by little counts as a failure too,
// so that a registry cannot keep a client busy.
func (s *session) upload(ctx context.Context, src source, end int64, dgst digest.Digest) error {
	for failures, best := 0, s.offset; !s.done && (dgst != "" || s.offset < end); {
		err := s.step(ctx, src, end, dgst)
		if s.offset-best >= minProgress && s.offset <= end {
			failures, best = 0, s.offset
		}
		if err == nil && (s.done || s.offset == end) {
			continue
		}
		failures++
		if err := s.mend(ctx, src, end, dgst, failures, err); err != nil {
			return err
		}
	}
	return nil
}

// mend makes ready for the next request after one that failed with err, or that
// brought little, so many in a row.
func (s *session) mend(ctx context.Context, src source, end int64, dgst digest.Digest, failures int, err error) error {
	last := failures >= s.r.o.Retry.Attempts
	switch {
	case err == nil && last:
		return orlop.ErrUploadInvalid.With(fmt.Sprintf("the registry takes only %d bytes of %d", s.offset, end))
	case err == nil:
		return nil
	case last || !resumable(ctx, err, failures):
		return err
	}
	if err := s.pause(ctx, failures, err); err != nil {
		return err
	}
	return s.recover(ctx, src, end, dgst, failures+1 < s.r.o.Retry.Attempts, err)
}

// resumable tells whether an upload may go on after an error, one of so many
// without progress.
func resumable(ctx context.Context, err error, failures int) bool {
	e, ok := errors.AsType[*requestError](err)
	if !ok || ctx.Err() != nil {
		return false
	}
	if e.resp == nil {
		return !errors.Is(err, orlop.ErrDamaged) && passing(ctx, nil, e.err)
	}
	switch e.resp.StatusCode {
	case http.StatusUnauthorized: // the token has expired; the next request gets another
		return failures == 1
	case http.StatusRequestedRangeNotSatisfiable, http.StatusConflict: // it has more, or is still busy with, what was sent
		return true
	}
	return passingStatus(e.resp.StatusCode) || errors.Is(err, orlop.ErrUploadUnknown) || errors.Is(err, orlop.ErrUploadInvalid)
}

// pause waits before the next attempt.
func (s *session) pause(ctx context.Context, failures int, err error) error {
	wait := s.r.o.Retry.backoff(failures)
	if e, ok := errors.AsType[*requestError](err); ok && e.after > 0 {
		if wait = e.after; wait > s.r.o.Retry.MaxRetryAfter {
			return err
		}
	}
	return sleep(ctx, wait)
}

// recover finds out where to go on after an error. A registry that is still
// busy with the request before is waited for, as long as patient says.
func (s *session) recover(
	ctx context.Context, src source, end int64, dgst digest.Digest, patient bool, failed error,
) error {
	before := s.offset
	unsure, err := s.status(ctx)
	switch {
	case err == nil && unsure && dgst == "":
		// 0 or 1 byte: 1 if the registry would not take the byte at 0.
		if before == 0 && status(failed) == http.StatusRequestedRangeNotSatisfiable {
			s.offset = 1
		}
		return s.readable(src, failed)
	case err == nil && !unsure && s.offset > 0 && s.offset <= end:
		return s.readable(src, failed)
	case err != nil && status(err) == 0:
		return failed // the registry cannot be reached
	case patient && status(err) == http.StatusConflict:
		return nil // the next request asks again
	}
	// The session is gone, or it is empty, or has what was never sent. It may be
	// gone because the blob was completed, and only the answer was lost.
	if dgst != "" {
		if _, err := s.r.StatBlob(ctx, s.repo, dgst); err == nil {
			s.done = true
			return nil
		}
	}
	if _, ok := src.at(0); !ok {
		return failed
	}
	if err == nil {
		s.abandon(ctx)
	}
	return s.restart(ctx)
}

// readable checks that the source can go to the offset of the session.
func (s *session) readable(src source, failed error) error {
	if _, ok := src.at(s.offset); !ok {
		return failed
	}
	return nil
}
