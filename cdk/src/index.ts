export * from './auth';
export * from './cache';
export * from './endpoint';
export * from './engine';
export * from './logs';
export * from './options';
export * from './provider';
export { CacheSettings } from './settings';
export * from './topology';
