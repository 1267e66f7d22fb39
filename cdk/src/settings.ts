// Written by `make reference` from the declarations of the properties.

/**
 * Settings of a cache that are properties of the resource as they stand.
 */
export interface CacheSettings {
  /**
   * When AWS may maintain the nodes, in UTC: at least an hour, such as `sun:05:00-sun:07:00`.
   *
   * @default - chosen by AWS
   */
  readonly maintenanceWindow?: string;

  /**
   * Minor versions are installed in the maintenance window.
   *
   * @default true
   */
  readonly autoMinorVersionUpgrade?: boolean;
}

/** The properties that the settings are. */
export function settingsProperties(settings: CacheSettings): { [name: string]: any } {
  return {
    MaintenanceWindow: settings.maintenanceWindow,
    AutoMinorVersionUpgrade: settings.autoMinorVersionUpgrade,
  };
}
