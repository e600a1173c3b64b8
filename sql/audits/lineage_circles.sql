-- audit: lineage_circles
-- severity: block
-- reads: lineage, releases
-- doc: Nothing was made, however indirectly, from itself. By induction: a circle that this release closes leads through something that it brings, so only that and what depends on it is looked at; things are taken away whose inputs are all gone, then things that nothing left depends on, each once, however many ways lead there. What remains goes in a circle.
WITH RECURSIVE edges AS MATERIALIZED (
    SELECT DISTINCT id, input_id, release_id
    FROM lineage
),

touched AS (
    SELECT DISTINCT id
    FROM edges
    WHERE release_id = (SELECT max(release_id) FROM releases)
    UNION
    SELECT edges.id
    FROM touched
    INNER JOIN edges ON edges.input_id = touched.id
),

steps AS MATERIALIZED (
    SELECT DISTINCT edges.id, edges.input_id
    FROM edges
    SEMI JOIN touched AS makes ON makes.id = edges.id
    SEMI JOIN touched AS is_input ON is_input.id = edges.input_id
),

founded(id) USING KEY (id) AS (
    SELECT touched.id
    FROM touched
    ANTI JOIN steps ON steps.id = touched.id
    UNION
    SELECT DISTINCT steps.id
    FROM founded
    INNER JOIN steps ON steps.input_id = founded.id
    WHERE
        steps.id NOT IN (
            SELECT unfounded.id
            FROM steps AS unfounded
            ANTI JOIN recurring.founded AS known ON known.id = unfounded.input_id
        )
),

knots AS MATERIALIZED (
    SELECT steps.id, steps.input_id
    FROM steps
    ANTI JOIN founded AS makes ON makes.id = steps.id
    ANTI JOIN founded AS is_input ON is_input.id = steps.input_id
),

ends(id) USING KEY (id) AS (
    SELECT DISTINCT knots.id
    FROM knots
    ANTI JOIN knots AS needs ON needs.input_id = knots.id
    UNION
    SELECT DISTINCT knots.input_id
    FROM ends
    INNER JOIN knots ON knots.id = ends.id
    WHERE
        knots.input_id NOT IN (
            SELECT needed.input_id
            FROM knots AS needed
            ANTI JOIN recurring.ends AS known ON known.id = needed.id
        )
)

SELECT knots.id, list(DISTINCT knots.input_id ORDER BY knots.input_id)[:5] AS made_from
FROM knots
ANTI JOIN ends AS makes ON makes.id = knots.id
ANTI JOIN ends AS is_input ON is_input.id = knots.input_id
GROUP BY knots.id;
