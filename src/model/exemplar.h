/* SPDX-License-Identifier: Apache-2.0
 *
 * An exemplar: one measured value with the labels (mostly a trace id) of the event behind it. The labels
 * are sorted by name like those of a series.
 */
#ifndef MODEL_EXEMPLAR_H
#define MODEL_EXEMPLAR_H

#include "model/labels.h"

/** OpenMetrics 1.0, "Exemplars": names and values of all labels together, in characters. Prometheus
 * refuses larger ones. */
enum { EXEMPLAR_LABELS_MAX_CHARS = 128 };

/** Borrowed view; whoever made it owns the labels. */
struct exemplar {
    struct labels labels; /* may be empty */
    double value;
    int64_t t_ms; /* Unix ms; meaningless unless has_time */
    bool has_time;
};

#endif
