package carrierhttp

import (
	"errors"
	"io"
	"net/http"
)

// ReadReport reads the body of what a carrier reports, of at most limit bytes. If
// it can't, it has answered with 400, or with 413 what is longer, and ok is false.
func ReadReport(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body, true
	}
	status := http.StatusBadRequest
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		status = http.StatusRequestEntityTooLarge
	}
	Refuse(w, status)
	return nil, false
}

// Refuse answers a carrier's report with a status and its name.
func Refuse(w http.ResponseWriter, status int) { http.Error(w, http.StatusText(status), status) }
