-- audit: temper_law
-- severity: block
-- reads: evaluations, releases
-- doc: Each row of results obeys the leave model under the settings stored with it; a table that does not was not played by these rules. A slate takes K (1 - r) + 1 of the patience, at least 1 as r <= 1, at most K (1 + c) + 1; so a session spends (1 + K) · depth - K · total_reward. It ends when more than temper0 - 1 is spent, at the latest with the slate that does so, or after max_steps slates, each of which took 1 at least. In the mean the share of sessions that may have lasted to the end is bounded by the depth.
WITH tonight AS (
    SELECT
        *,
        (1 + slate_size) * depth - slate_size * total_reward AS spent,
        slate_size * (1 + cost) + 1 AS dearest_slate,
        temper0 - 1 AS patience,
        -- Sessions count their patience in single precision, and stay while less than 1e-4 is missing.
        1e-4 + 1e-6 * depth * (temper0 + slate_size * (1 + cost)) AS rounding
    FROM evaluations
    WHERE release_id = (SELECT max(release_id) FROM releases)
),

depths AS (
    SELECT *, least(max_steps, greatest(1, ceil((patience - rounding) / dearest_slate))) AS least_depth
    FROM tonight
),

shares AS (
    SELECT
        *,
        if(max_steps > least_depth, (depth - least_depth) / (max_steps - least_depth), 1) AS largest_share_stopped
    FROM depths
)

SELECT policy, simulator_id, slate_size, cost, temper0, max_steps, depth, total_reward, temper_law, spent
FROM shares
WHERE
    NOT coalesce(
        isfinite(depth)
        AND isfinite(total_reward)
        AND depth BETWEEN least_depth - rounding AND max_steps + rounding
        AND spent BETWEEN depth - rounding AND depth * dearest_slate + rounding
        AND spent >= largest_share_stopped * least(max_steps, patience) + (1 - largest_share_stopped) * patience - rounding
        AND spent <= patience + dearest_slate + rounding,
        false
    );
